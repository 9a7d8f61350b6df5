"""Builds the files that break readers; small on disk, each with one fault."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage
from pathlib import Path


def write_pdf(path: Path, pages: int = 1, text: str = "Pump manual page", password: str | None = None) -> Path:
    """A pdf with a line of text on each page."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", ""]
    objects.append("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    kids = []
    for number in range(1, pages + 1):
        stream = f"BT /F 12 Tf 72 500 Td ({text} {number}) Tj 0 -40 Td (It is checked every year.) Tj ET"
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
        resources = "/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>"
        objects.append(f"<</Type/Page/Parent 2 0 R/Contents {len(objects)} 0 R{resources}>>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {pages}>>"
    _write_objects(path, objects)
    if password is not None:
        _encrypt_pdf(path, password)
    return path


def write_partly_scanned_pdf(path: Path, *, scanned: str) -> Path:
    """A page of text, a stamped page that is a picture of text, an empty page, one of text with a small picture."""
    import pikepdf
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (1240, 1754), "white")
    ImageDraw.Draw(picture).text((120, 300), scanned, fill="black", font=ImageFont.load_default(size=56))
    scan = io.BytesIO()
    picture.save(scan, "PDF", resolution=150)
    write_pdf(path, pages=3)
    with pikepdf.open(path, allow_overwriting_input=True) as document, pikepdf.open(scan) as other:
        image = document.copy_foreign(next(iter(other.pages[0].get_images().values())))
        for page in document.pages[1:]:
            page.add_resource(image, pikepdf.Name.XObject, pikepdf.Name("/Scan"))
        stamped, illustrated = document.pages[1:]
        stamp = b"BT /F 8 Tf 20 20 Td (Page 2 of 4) Tj ET q 595 0 0 842 0 0 cm /Scan Do Q"
        stamped.Contents = document.make_stream(stamp)
        illustrated.contents_add(document.make_stream(b"q 119 0 0 168 20 20 cm /Scan Do Q"))
        document.add_blank_page(page_size=(595, 842))
        document.pages.insert(2, document.pages[-1])
        del document.pages[-1]
        document.save(path)
    return path


def _write_objects(path: Path, objects: list[str]) -> None:
    body = io.BytesIO(b"")
    body.write(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(body.tell())
        body.write(f"{number} 0 obj{content}endobj\n".encode("latin-1"))
    start = body.tell()
    body.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    body.write("".join(f"{offset:010d} 00000 n \n" for offset in offsets).encode())
    body.write(f"trailer<</Root 1 0 R/Size {len(objects) + 1}>>\nstartxref\n{start}\n%%EOF\n".encode())
    path.write_bytes(body.getvalue())


def _encrypt_pdf(path: Path, password: str) -> None:
    import pikepdf

    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.save(path, encryption=pikepdf.Encryption(owner=password, user=password))


def write_docx(path: Path, *paragraphs: str) -> Path:
    """A letter with a heading."""
    import docx

    document = docx.Document()
    document.add_heading("Service report", level=1)
    for paragraph in paragraphs or ("The pump was checked and is tight.",):
        document.add_paragraph(paragraph)
    document.save(str(path))
    return path


def write_xlsx(path: Path, sheets: dict[str, list[list[object]]], *, title: str | None = None) -> Path:
    """A workbook; the title is one of its properties."""
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.properties.title = title
    for number, (name, rows) in enumerate(sheets.items()):
        sheet = workbook.active if number == 0 else workbook.create_sheet()
        sheet.title = name
        for row in rows:
            sheet.append(row)
    workbook.save(path)
    return path


def truncate(path: Path, share: float = 0.6) -> Path:
    """Cut a file off."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def write_zip_bomb(path: Path, mebibytes: int = 400) -> Path:
    """A docx of some kilobytes whose document.xml unpacks to hundreds of megabytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as member:
            block = b" " * 2**20
            for _ in range(mebibytes):
                member.write(block)
    return path


def encrypt_office(path: Path, password: str) -> Path:
    """A docx that asks for a password: an OLE container with an EncryptedPackage."""
    from msoffcrypto.format.ooxml import OOXMLFile

    plain = io.BytesIO(path.read_bytes())
    with path.open("wb") as encrypted:
        OOXMLFile(plain).encrypt(password, encrypted)
    return path


def _laugh(level: int) -> str:
    inner = f"&lol{level - 1};" if level else "lol"
    return f'<!ENTITY lol{level} "{inner * 10}">'


BILLION_LAUGHS = (
    f'<?xml version="1.0"?>\n<!DOCTYPE lolz [{"".join(map(_laugh, range(10)))}]>\n'
    "<lolz><a>Readable text before.</a><b>&lol9;</b></lolz>"
)


def external_entity(target: Path) -> str:
    """XML that asks for a local file and for a page on the network."""
    return (
        f'<?xml version="1.0"?>\n<!DOCTYPE d SYSTEM "http://198.51.100.7/d.dtd" [<!ENTITY f SYSTEM "{target.as_uri()}">'
        '<!ENTITY w SYSTEM "http://198.51.100.7/w">]>\n<d><a>Plain words.</a><b>&f;</b><c>&w;</c>'
        "<e>Before &f; between &w; behind.</e></d>"
    )


REMOTE_HTML = """<!DOCTYPE html><html><head><title>Remote page</title>
<link rel="stylesheet" href="http://198.51.100.7/s.css"><script src="http://198.51.100.7/s.js"></script></head>
<body><h1>Opening hours</h1><p>We open at nine.</p><img src="http://198.51.100.7/i.png" alt="A picture">
<iframe src="http://198.51.100.7/f.html"></iframe></body></html>"""


def mail_with(
    *attachments: tuple[str, bytes], subject: str = "Offer for valves", body: str = "See attached."
) -> EmailMessage:
    """A mail with attachments under any names."""
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ada <ada@example.com>", "bob@example.com"
    message["Date"] = "Mon, 04 May 2026 10:00:00 +0200"
    message.set_content(body)
    for name, data in attachments:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message
