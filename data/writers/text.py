"""Writes the formats that are text themselves: markdown, HTML pages, CSV tables and mails with attachments."""

import csv
import html
import io
import re
from email.message import EmailMessage
from email.policy import default

from data.writers.pdf import write_pdf
from data.writers.source import Block, Heading, Items, Notice, Paragraph, Source, Table, parse_blocks

_ATTACHMENT = re.compile(r"^=== attachment: (\S+)\n", re.MULTILINE)

# Real pages carry text that answers no question; an ingest has to cope with it, so ours carry some too.
_SUPPORT_TOP = """<header><a href="/">Ahrenfeld Colby Support</a>
<nav><ul><li><a href="/pumps">Pumps</a></li><li><a href="/controllers">Controllers</a></li>
<li><a href="/downloads">Downloads</a></li><li><a href="/contact">Contact</a></li></ul></nav>
<form><input placeholder="Search the support site"></form></header>"""
_SUPPORT_BOTTOM = """<aside><h2>Was this page helpful?</h2><button>Yes</button> <button>No</button></aside>
<footer><p>Cookie settings | Imprint | Privacy | Terms of sale</p>
<p>&copy; 2026 Ahrenfeld Colby. All product names are ours or our friends'.</p></footer>"""
_INTRANET_TOP = """<div id="bar">Weserstrom &ndash; the intranet of Ahrenfeld Colby</div>
<nav><a href="/home">Start</a> &gt; <a href="/topics">Topics A&ndash;Z</a> &gt; <a href="/people">People</a> &gt;
<a href="/canteen">Canteen</a></nav>"""
_INTRANET_BOTTOM = """<footer><a href="/top">Back to top</a> &middot; <a href="/print">Print</a> &middot;
<a href="/feedback">Report an error on this page</a></footer>"""
_SITES = {"support": (_SUPPORT_TOP, _SUPPORT_BOTTOM), "intranet": (_INTRANET_TOP, _INTRANET_BOTTOM)}


def write_md(source: Source) -> bytes:
    """Returns the body as it stands, with author and date below it."""
    return f"{source.body}\n---\n\n{source.byline}\n".encode()


def write_csv(source: Source) -> bytes:
    """Returns the rows of the body as CSV and refuses rows of unequal length."""
    return _normalise_csv(source.body, source.header.get("delimiter", ","))


def _normalise_csv(body: str, delimiter: str) -> bytes:
    rows = list(csv.reader(io.StringIO(body), delimiter=delimiter))
    wrong = [row for row in rows if len(row) != len(rows[0])]
    if wrong:
        raise ValueError(f"CSV rows with another number of cells than the first: {wrong}")
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode("utf-8")


def write_html(source: Source) -> bytes:
    """Returns the source as a page of the support site or the intranet, with their navigation and footer."""
    top, bottom = _SITES[source.header["site"]]
    content = "\n".join(map(_html_block, parse_blocks(source.body)))
    meta = f'<meta charset="utf-8">\n<meta name="date" content="{source.header["date"]}">'
    title = f"<title>{html.escape(source.title)}</title>"
    page = (
        f'<!DOCTYPE html>\n<html lang="{source.language}">\n<head>\n{meta}\n{title}\n'
        f'</head>\n<body>\n{top}\n<main>\n{content}\n<p class="byline">{html.escape(source.byline)}</p>\n</main>\n'
        f"{bottom}\n</body>\n</html>\n"
    )
    return page.encode("utf-8")


def _html_block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Notice(text):
            return f"<blockquote>{_inline(text)}</blockquote>"
        case Items(numbered, texts):
            tag = "ol" if numbered else "ul"
            items = "".join(f"<li>{_inline(re.sub(r'^[0-9]+[.] ', '', text))}</li>\n" for text in texts)
            return f"<{tag}>\n{items}</{tag}>"
        case Table(rows):
            lines = [_html_row(row, "th" if number == 0 else "td") for number, row in enumerate(rows)]
            return "<table>\n" + "\n".join(lines) + "\n</table>"


def _html_row(row: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>"


def _inline(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escaped))


def write_eml(source: Source) -> bytes:
    """Returns the source as a mail; lines end with LF because a repository would rewrite CRLF on some machines."""
    body, *rest = _ATTACHMENT.split(source.body)
    message = EmailMessage(policy=default)
    names = {"from": "From", "to": "To", "cc": "Cc", "subject": "Subject", "sent": "Date"}
    for key, name in names.items():
        if key in source.header:
            message[name] = source.header[key]
    message["Message-ID"] = f"<{source.header['message_id']}>"
    message.set_content(body.rstrip("\n") + "\n", charset="utf-8", cte="8bit")
    for filename, content in zip(rest[::2], rest[1::2], strict=True):
        _attach(message, filename, content, source)
    if rest:
        message.set_boundary(f"=_{source.header['message_id'].split('@')[0]}")
    # Folding of long headers differs between Python versions; 998 is the longest line a mail may have.
    return message.as_bytes(policy=default.clone(max_line_length=998))


def _attach(message: EmailMessage, filename: str, content: str, source: Source) -> None:
    if filename.endswith(".pdf"):
        pdf = write_pdf(Source(filename, source.header, content))
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=filename)
    else:
        message.add_attachment(
            _normalise_csv(content.strip("\n") + "\n", ","), maintype="text", subtype="csv", filename=filename
        )
