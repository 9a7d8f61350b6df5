"""Builds the finished documents of the sample company from their readable sources.

``python -m data.build`` reads every file below ``data/company`` and writes PDF, Word, PowerPoint, Excel, HTML,
markdown, CSV and mail files below ``data/documents``. The same sources give the same bytes on every run, so a change
of a built file in review always has its reason in a changed source.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from data.writers.office import write_docx, write_pptx, write_xlsx
from data.writers.pdf import write_pdf
from data.writers.source import Source, read_source
from data.writers.text import write_csv, write_eml, write_html, write_md

DATA = Path(__file__).resolve().parent
WRITERS: dict[str, Callable[[Source], bytes]] = {
    ".csv": write_csv,
    ".docx": write_docx,
    ".eml": write_eml,
    ".html": write_html,
    ".md": write_md,
    ".pdf": write_pdf,
    ".pptx": write_pptx,
    ".xlsx": write_xlsx,
}

logger = logging.getLogger(__name__)


def build_documents(company: Path, documents: Path) -> list[Path]:
    """Writes one finished document for each source.

    Args:
        company: folder of the sources.
        documents: folder to write to; it is created, and files in it that no source asks for are left alone.

    Returns:
        The paths written, in the order of the sources.
    """
    written = []
    for path in sorted(company.rglob("*.md")):
        source = read_source(path, company)
        target = documents / source.target
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(WRITERS[PurePosixPath(source.target).suffix](source))
        written.append(target)
    return written


def main() -> None:
    """Parses the command line and builds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--company", type=Path, default=DATA / "company", help="folder of the sources")
    parser.add_argument("--output", type=Path, default=DATA / "documents", help="folder to write the documents to")
    arguments = parser.parse_args()
    written = build_documents(arguments.company, arguments.output)
    logger.info("documents built: count=%d folder=%s", len(written), arguments.output)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
