# syntax=docker/dockerfile:1
# The locked packages and the product, run by an ordinary user. About 8 GB: torch comes with CUDA.
FROM python:3.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /srv/expertloop
COPY requirements.lock ./
RUN uv venv /opt/venv \
 && uv pip sync --no-cache --require-hashes --compile-bytecode --python /opt/venv/bin/python requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY expertloop expertloop
COPY flows flows
COPY tasks tasks
RUN uv pip install --no-cache --no-deps --editable . --python /opt/venv/bin/python \
 && /opt/venv/bin/python -m compileall -q expertloop flows tasks

FROM python:3.11-slim-bookworm
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      tesseract-ocr tesseract-ocr-deu libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home expertloop \
 && install -d -o expertloop /var/lib/expertloop /var/cache/expertloop
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/expertloop /srv/expertloop
# Prefect reads the flows' code and its deployments from here.
COPY prefect.yaml /srv/expertloop/
ENV PATH=/opt/venv/bin:$PATH \
    EXPERTLOOP_HOME=/var/lib/expertloop \
    EXPERTLOOP_CACHE=/var/cache/expertloop \
    EXPERTLOOP_SOURCES=/etc/expertloop/sources.yaml \
    DO_NOT_TRACK=1
WORKDIR /srv/expertloop
USER expertloop
VOLUME ["/var/lib/expertloop", "/var/cache/expertloop"]
ENTRYPOINT ["expertloop"]
CMD ["--help"]
