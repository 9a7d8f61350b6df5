"""A document's text as an HTML page with the cited span marked. Everything that came from outside is escaped.

The page has no script, loads nothing from elsewhere, and its policy forbids what a fault here would let in.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import quote, urlsplit

from tasks.access_models import ReadableDocument

WHOLE_CHARACTERS = 400_000
"""Longer texts are shown around the span, so that a browser stays usable."""
AROUND_CHARACTERS = 100_000

_STYLE = """\
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
header{border-bottom:1px solid #8886;margin-bottom:1.5rem;padding-bottom:.75rem}
h1{font-size:1.35rem;margin:0 0 .25rem}
header p,.cut{margin:.15rem 0;opacity:.75;font-size:.9rem;overflow-wrap:anywhere}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:#ffe45c;color:#111;padding:.1em 0;scroll-margin-top:30vh}
img{max-width:100%;border:1px solid #8886;margin:0 0 1.5rem}
.warn{color:#b3261e}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-same-origin"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def render_page(document: ReadableDocument, *, span: tuple[int, int] | None, page: int | None) -> str:
    """The page.

    Args:
        document: What is shown.
        span: The cited characters; None, or a span outside the text: nothing is marked.
        page: Which page image to show beside the text, counted from 1; None: none.
    """
    known = span if span and 0 <= span[0] < span[1] <= len(document.text) else None
    notes = []
    if document.outdated:
        notes.append("This text is outdated: a newer version of the document could not be read.")
    if span and not known:
        notes.append("The cited place is not in this text: the document has changed since.")
    return "".join(
        [
            '<!doctype html><html lang="',
            escape(document.language),
            '"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(document.title)}</title><style>{_STYLE}</style></head><body>",
            f"<header><h1>{escape(document.title)}</h1>{_describe(document)}",
            *(f'<p class="warn">{escape(note)}</p>' for note in notes),
            "</header>",
            _image(document, page),
            _text(document.text, known),
            "</body></html>",
        ]
    )


def _describe(document: ReadableDocument) -> str:
    uri = escape(document.uri)
    # Only web addresses become links: others would run, or open, what a document's author wrote.
    if urlsplit(document.uri).scheme in ("http", "https"):
        uri = f'<a href="{uri}" rel="noreferrer noopener">{uri}</a>'
    dated = f"<p>{document.modified:%Y-%m-%d}</p>" if document.modified else ""
    return f"<p>{uri}</p>{dated}"


def _image(document: ReadableDocument, page: int | None) -> str:
    if page is None:
        return ""
    address = f"{quote(document.document_id, safe='')}/pages/{page}.png"
    return f'<img src="/v1/documents/{address}" alt="page {page}">'


def _text(text: str, span: tuple[int, int] | None) -> str:
    start, end = span or (0, 0)
    first, last = 0, len(text)
    if len(text) > WHOLE_CHARACTERS:
        first, last = max(0, start - AROUND_CHARACTERS), min(len(text), end + AROUND_CHARACTERS)
    before = f'<p class="cut">… {first} characters before this are not shown</p>' if first else ""
    after = f'<p class="cut">… {len(text) - last} characters after this are not shown</p>' if last < len(text) else ""
    shown = escape(text[first:last])
    if span:
        marked = f'<mark id="cited">{escape(text[start:end])}</mark>'
        shown = f"{escape(text[first:start])}{marked}{escape(text[end:last])}"
    return f'{before}<div class="text" dir="auto">{shown}</div>{after}'
