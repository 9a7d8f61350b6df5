"""The page of a document: marked where it was cited, and never more than text."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expertloop.server import page
from expertloop.server.page import HEADERS, render_page
from tasks.access_models import ReadableDocument

HOSTILE = [
    "<script>alert(1)</script>",
    "</div></body><script src=//evil.example></script>",
    '"><img src=x onerror=alert(1)>',
    "</mark><svg/onload=alert(1)>",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "</style><script>",
    "</title><script>",
    "javascript:alert(1)",
]
ALLOWED_TAGS = {"html", "head", "meta", "title", "style", "body", "header", "h1", "p", "div", "mark", "img", "a"}


class Reader(HTMLParser):
    """What a browser makes of the page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.marked = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "div" in self._open:
            self.text += data
        if "mark" in self._open:
            self.marked += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment came in")


def document(
    text: str, *, title: str = "Manual", uri: str = "file:///manual.txt", kind: str = "txt"
) -> ReadableDocument:
    return ReadableDocument(
        document_id="0b0e7d0a-0000-5000-8000-000000000000",
        uri=uri,
        title=title,
        source="s",
        tenant="default",
        path="manual",
        document_type=kind,
        language="en",
        text=text,
        content_hash="0" * 64,
        modified=None,
        outdated=False,
    )


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"))
hostile = st.builds(lambda a, b, c: a + b + c, texts, st.sampled_from(HOSTILE), texts)


@given(hostile | texts, hostile | texts, hostile | texts, st.data())
def test_hostile_words_stay_words_wherever_they_stand(text: str, title: str, uri: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    read = Reader(render_page(document(text, title=title, uri=uri), span=(start, end), page=None))
    assert {tag for tag, _ in read.tags} <= ALLOWED_TAGS
    assert all(not name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert read.text == text
    assert read.marked == text[start:end]


@given(texts, st.integers(-5, 50), st.integers(-5, 50))
def test_any_span_shows_the_whole_text(text: str, start: int, end: int) -> None:
    read = Reader(render_page(document(text), span=(start, end), page=None))
    assert read.text == text
    assert read.marked == (text[start:end] if 0 <= start < end <= len(text) else "")


def test_a_span_outside_the_text_is_explained() -> None:
    assert "has changed since" in render_page(document("short"), span=(10, 20), page=None)
    assert "has changed since" not in render_page(document("short"), span=(0, 2), page=None)


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "file:///etc/passwd"]
)
def test_only_web_addresses_become_links(uri: str) -> None:
    assert "a" not in {tag for tag, _ in Reader(render_page(document("x", uri=uri), span=None, page=None)).tags}


def test_a_web_address_becomes_a_link_to_itself() -> None:
    uri = 'https://wiki.example/a?b=1&c="2"'
    tags = dict(Reader(render_page(document("x", uri=uri), span=None, page=None)).tags)
    assert unescape(tags["a"]["href"] or "") == uri


def test_a_long_text_is_shown_around_the_span() -> None:
    text = "a" * 900_000 + "HERE" + "b" * 900_000
    read = Reader(render_page(document(text), span=(900_000, 900_004), page=None))
    assert read.marked == "HERE"
    assert read.text == "a" * page.AROUND_CHARACTERS + "HERE" + "b" * page.AROUND_CHARACTERS


def test_the_page_image_is_our_own_address() -> None:
    tags = dict(Reader(render_page(document("x", kind="pdf"), span=None, page=7)).tags)
    assert tags["img"]["src"] == "/v1/documents/0b0e7d0a-0000-5000-8000-000000000000/pages/7.png"


def test_the_policy_allows_no_script_and_no_foreign_address() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "http" not in policy
