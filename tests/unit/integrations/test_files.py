"""Folders as sources: what is listed, what is a problem, what is never opened."""

from __future__ import annotations

import os
import shutil
import socket
import tracemalloc
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import pytest

from tasks.documents.sources import describe_path
from tasks.errors import BackendUnavailable, ConfigurationError, DocumentRejected
from tasks.integrations.listing import compile_glob
from tasks.integrations.sources import build_source
from tasks.models import ListedDocument
from tasks.source_models import MailConfig
from tests.fakes.listing import groups_of, list_paths, list_reasons, open_folder, write


def test_every_regular_file_is_one_listed_document(tmp_path: Path) -> None:
    names = ["a.pdf", ".hidden", ".git/config", "sub/a.pdf", "sub/deep/er/x.exe", "no extension", "empty"]
    write(tmp_path, *names)
    assert list_paths(open_folder(tmp_path)) == sorted(names)


def test_a_real_collection_is_listed_file_by_file(shared_data: Path) -> None:
    root = shared_data / "unstructured_examples"
    files = {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}
    assert {unquote(document.path) for document in open_folder(root).list_documents()} == files


def test_hostile_names_keep_a_uri_that_opens_the_same_file(tmp_path: Path) -> None:
    names = [b"new\nline", b"per%cent", b"%41", b"#?&;.md", "émoji😀".encode(), b"bad\xff\xfe.txt", b"tab\t", b"-rf *"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    source = open_folder(tmp_path)
    listed = list(source.list_documents())
    assert len({document.path for document in listed}) == len(names)
    for document in listed:
        with source.open_document(document.path) as stream:
            content = stream.read()
        assert unquote_to_bytes(document.uri.removeprefix("file://")) == os.fsencode(tmp_path) + b"/" + content
        assert document.uri.isascii()
        for text in (document.path, document.file_name):
            assert text.encode().decode().isprintable()


def test_a_symlinked_root_is_read_under_its_own_name(tmp_path: Path) -> None:
    write(tmp_path / "real", "a.txt")
    (tmp_path / "current").symlink_to("real")
    (document,) = open_folder(tmp_path / "current").list_documents()
    assert document.uri == f"file://{tmp_path}/current/a.txt"


def test_links_inside_the_root_are_aliases_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path, "sub/a.txt")
    (tmp_path / "alias.txt").symlink_to("sub/a.txt")
    (tmp_path / "sub/up").symlink_to("..")
    (tmp_path / "absolute").symlink_to(tmp_path)
    assert list_reasons(open_folder(tmp_path)) == {"sub/a.txt": None}


def test_what_is_no_readable_file_is_listed_with_its_reason(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "fine.txt")
    write(tmp_path, "root-sibling/secret.txt")
    (root / "outside").symlink_to("/etc")
    (root / "sibling").symlink_to("../root-sibling/secret.txt")
    (root / "dangling").symlink_to("nothing")
    (root / "circle").symlink_to("circle")
    os.mkfifo(root / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(root / "socket"))
    source = open_folder(root)
    reasons = list_reasons(source)
    listener.close()
    assert reasons == {
        "fine.txt": None,
        "outside": "outside-root",
        "sibling": "outside-root",
        "dangling": "broken-link",
        "circle": "broken-link",
        "pipe": "special-file",
        "socket": "special-file",
    }
    for document in source.list_documents():
        if document.problem:
            assert document.problem.advice
            with pytest.raises(DocumentRejected), source.open_document(document.path):
                pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device file")
def test_a_device_is_listed_as_special(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "null", 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container may not make device files")
    assert list_reasons(open_folder(tmp_path)) == {"null": "special-file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything; the next test does it as another account")
def test_unreadable_files_and_folders_are_listed(tmp_path: Path) -> None:
    assert list_unreadable(tmp_path) == UNREADABLE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12: other tests may have left threads
def test_unreadable_files_and_folders_are_listed_for_another_account(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for parent in tmp_path.parents:  # pytest's folders are for their owner alone
                if parent.stat().st_uid == 0 and any("pytest" in part for part in parent.parts):
                    parent.chmod(0o755)
            os.chown(tmp_path, 65534, 65534)
            os.setgid(65534)
            os.setuid(65534)
            status = int(list_unreadable(tmp_path) != UNREADABLE)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


UNREADABLE = {
    "fine.txt": None,
    "locked.txt": "unreadable",
    "closed/": "unreadable",
    "names-only/inner.txt": "unreadable",
}


def list_unreadable(folder: Path) -> dict[str, str | None]:
    """What is listed of a folder with a file, a folder and a folder's contents that this account may not read."""
    write(folder, "fine.txt", "locked.txt", "closed/inner.txt", "names-only/inner.txt")
    (folder / "locked.txt").chmod(0)
    (folder / "closed").chmod(0)
    (folder / "names-only").chmod(0o400)
    reasons = list_reasons(open_folder(folder))
    (folder / "closed").chmod(0o700)
    (folder / "names-only").chmod(0o700)
    return reasons


@pytest.mark.parametrize(
    "path", ["../secret", "sub/../../secret", "/etc/passwd", "", ".", "sub//x", "link/passwd", "%2e%2e/secret"]
)
def test_nothing_outside_the_root_is_opened(tmp_path: Path, path: str) -> None:
    write(tmp_path, "secret", "root/sub/x")
    (tmp_path / "root/link").symlink_to("/etc")
    with pytest.raises(DocumentRejected), open_folder(tmp_path / "root").open_document(path):
        pass


def test_a_file_that_became_a_link_or_pipe_after_the_listing_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "root/a", "root/sub/b", "root/c", "secret")
    source = open_folder(tmp_path / "root")
    assert list_paths(source) == ["a", "c", "sub/b"]
    (tmp_path / "root/a").unlink()
    (tmp_path / "root/a").symlink_to("../secret")
    shutil.rmtree(tmp_path / "root/sub")
    (tmp_path / "root/sub").symlink_to(tmp_path)
    (tmp_path / "b").write_text("secret")
    (tmp_path / "root/c").unlink()
    os.mkfifo(tmp_path / "root/c")
    for path in ("a", "sub/b", "c"):
        with pytest.raises(DocumentRejected), source.open_document(path):
            pass


def test_a_folder_that_is_not_there_is_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        list_paths(open_folder(tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="neither a file nor a folder"):
        list_paths(open_folder(tmp_path / "pipe"))


def test_a_folder_that_vanishes_while_it_is_listed_fails_the_listing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, *(f"{folder}/{file}" for folder in range(5) for file in range(5)))
    listing = open_folder(root).list_documents()
    next(listing)
    shutil.rmtree(root)
    with pytest.raises(BackendUnavailable, match="vanished"):
        list(listing)


def test_a_folder_that_is_replaced_while_it_is_listed_fails_the_listing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, *(f"{folder}/x" for folder in range(5)))
    listing = open_folder(root).list_documents()
    next(listing)
    root.rename(tmp_path / "old")
    root.mkdir()
    with pytest.raises(BackendUnavailable, match="replaced"):
        list(listing)


def test_a_deleted_file_is_rejected_but_a_deleted_root_is_unavailable(tmp_path: Path) -> None:
    write(tmp_path / "root", "a", "b")
    source = open_folder(tmp_path / "root")
    (tmp_path / "root/a").unlink()
    with pytest.raises(DocumentRejected) as raised, source.open_document("a"):
        pass
    assert raised.value.reason == "vanished"
    shutil.rmtree(tmp_path / "root")
    with pytest.raises(BackendUnavailable), source.open_document("b"):
        pass


def test_a_single_file_is_a_source_also_through_a_link(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "other.txt")
    (tmp_path / "link.txt").symlink_to("a.txt")
    for name in ("a.txt", "link.txt"):
        source = build_source(describe_path(str(tmp_path / name)), variables={}, max_file_mb=1)
        (document,) = source.list_documents()
        assert (document.path, document.uri) == (name, f"file://{tmp_path}/{name}")
        with source.open_document(name) as stream:
            assert stream.read() == b"text"
        with pytest.raises(DocumentRejected), source.open_document("other.txt"):
            pass


def test_a_file_above_the_limit_is_listed_as_too_large(tmp_path: Path) -> None:
    write(tmp_path, "small")
    (tmp_path / "large").write_bytes(bytes(1_000_001))
    assert list_reasons(open_folder(tmp_path)) == {"small": None, "large": "too-large"}
    assert list_reasons(open_folder(tmp_path, max_file_mb=2))["large"] is None


def test_a_modification_time_outside_the_calendar_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a")
    try:
        os.utime(tmp_path / "a", (10**12, 10**12))
    except (OverflowError, OSError):
        pytest.skip("this file system keeps no such time")
    (document,) = open_folder(tmp_path).list_documents()
    assert document.modified is None or document.modified.year < 10_000


@pytest.mark.parametrize(
    ("glob", "matches", "misses"),
    [
        ("*.pdf", ["a.pdf", "sub/B.PDF", "x.pdf/inner"], ["a.pdf.txt", "apdf"]),
        ("hr", ["hr", "hr/a", "x/hr/b"], ["hrx", "x/ahr"]),
        ("hr/**", ["hr/a", "HR/b/c"], ["x/hr/a", "hr"]),
        ("/a.md", ["a.md"], ["x/a.md"]),
        ("drafts/", ["drafts/a", "x/drafts/b"], ["draftsx"]),
        ("**/x/*.md", ["x/a.md", "p/q/x/a.md"], ["x/y/a.md"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a?[0-9].[!t]*", ["ab1.md"], ["a/1.md", "ab1.txt", "abc.md"]),
        ("a[.txt", ["a[.txt"], ["a.txt"]),
        ("**", ["a", "a/b"], []),
        ("new\nline*", ["new\nline.md"], ["newline"]),
    ],
)
def test_globs_follow_gitignore_without_case(glob: str, matches: list[str], misses: list[str]) -> None:
    pattern = compile_glob(glob)
    assert [path for path in matches if not pattern.match(path)] == []
    assert [path for path in misses if pattern.match(path)] == []


def test_exclude_wins_over_include(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.txt", "drafts/c.md", "sub/d.MD")
    assert list_paths(open_folder(tmp_path, include=["*.md"], exclude=["drafts"])) == ["a.md", "sub/d.MD"]


def test_the_first_matching_glob_names_the_readers(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "hr/open/b.md", "hr/c.md")
    globs = {"hr/open/**": ["everyone"], "hr/**": ["hr"], "**/c.md": ["service"]}
    assert groups_of(open_folder(tmp_path, groups=["staff"], groups_by_glob=globs)) == {
        "a.md": ("staff",),
        "hr/open/b.md": ("everyone",),
        "hr/c.md": ("hr",),
    }


def test_a_glob_for_readers_that_matches_nothing_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "hr/a.md")
    list_paths(open_folder(tmp_path, groups_by_glob={"hr/**": ["hr"], "personell/**": ["hr"]}))
    assert [record.getMessage() for record in caplog.records] == [
        "glob for readers matched nothing source=docs glob=personell/**"
    ]


def test_the_nearest_sidecar_names_the_readers_and_is_no_document(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "hr/b.md", "hr/c.md", "hr/deep/d.md")
    write(tmp_path, "hr/.groups", text="# all of hr\nhr\nboard # and they\n\n")
    write(tmp_path, "hr/c.md.groups", text="\ufeffservice")
    assert groups_of(open_folder(tmp_path, groups_sidecar=".groups", groups_by_glob={"hr": ["nobody"]})) == {
        "a.md": ("everyone",),
        "hr/b.md": ("hr", "board"),
        "hr/c.md": ("service",),
        "hr/deep/d.md": ("hr", "board"),
    }
    assert len(list_paths(open_folder(tmp_path))) == 6


@pytest.mark.parametrize("content", [b"", b"# nobody", b"\xff\xfe", b"a" * 70_000])
def test_a_sidecar_that_cannot_be_read_closes_what_it_speaks_of(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "a.md", "sub/b.md")
    (tmp_path / "sub/.groups").write_bytes(content)
    source = open_folder(tmp_path, groups_sidecar=".groups", groups_by_glob={"b.md": ["staff"]})
    assert list_reasons(source) == {"a.md": None, "sub/b.md": "groups-unreadable"}
    assert groups_of(source) == {"a.md": ("everyone",), "sub/b.md": ()}


def test_a_sidecar_in_capitals_names_readers_and_one_in_mixed_letters_is_told_of(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "sub/b.md", "c.md", "c.md.Groups")
    write(tmp_path, "a.md.GROUPS", "sub/.GROUPS", text="hr")
    source = open_folder(tmp_path, groups_sidecar=".groups")
    assert list_reasons(source) == {"a.md": None, "sub/b.md": None, "c.md": None, "c.md.Groups": "groups-unreadable"}
    assert groups_of(source)["a.md"] == groups_of(source)["sub/b.md"] == ("hr",)


def test_globs_know_letters_with_marks_however_a_system_writes_them(tmp_path: Path) -> None:
    one, two = "Geh\u00e4lter", "Geha\u0308lter"
    write(tmp_path, f"{one}/a.md", f"{two}/b.md", f"Entw\u00fcrfe/{one}.md", f"Entwu\u0308rfe/{two}.md")
    for glob in (one, two):
        source = open_folder(tmp_path, groups_by_glob={f"{glob}/**": ["hr"]}, exclude=["Entwu\u0308rfe"])
        assert groups_of(source) == {f"{one}/a.md": ("hr",), f"{two}/b.md": ("hr",)}


def test_a_sidecar_that_is_a_link_closes_what_it_speaks_of(tmp_path: Path) -> None:
    write(tmp_path, "root/a.md")
    write(tmp_path, "elsewhere", text="everyone")
    (tmp_path / "root/.groups").symlink_to("../elsewhere")
    assert list_reasons(open_folder(tmp_path / "root", groups_sidecar=".groups")) == {"a.md": "groups-unreadable"}


def test_a_mail_source_lists_mails_and_knows_files_without_ending(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", "b.mbox", "notes.txt", "Maildir/cur/1234.host:2,S", "Maildir/new/99", "Archive/Inbox")
    config = MailConfig(name="mail", url=str(tmp_path))
    names = {d.path: d.file_name for d in build_source(config, variables={}, max_file_mb=1).list_documents()}
    assert names == {
        "a.eml": "a.eml",
        "b.mbox": "b.mbox",
        "Maildir/cur/1234.host:2,S": "1234.host:2,S.eml",
        "Maildir/new/99": "99.eml",
    }
    config = MailConfig(name="mail", url=str(tmp_path), include=["Inbox"])
    (document,) = build_source(config, variables={}, max_file_mb=1).list_documents()
    assert document.file_name == "Inbox.mbox"


def test_a_listing_is_streamed_and_its_memory_does_not_grow(tmp_path: Path) -> None:
    def measure(count: int) -> int:
        folder = tmp_path / str(count)
        for number in range(count):
            if number % 100 == 0:
                (folder / f"{number}").mkdir(parents=True)
            os.close(os.open(folder / f"{number - number % 100}/{number:06}", os.O_CREAT | os.O_WRONLY))
        source = open_folder(folder)
        tracemalloc.start()
        assert sum(1 for _ in source.list_documents()) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    measure(100)  # what Python keeps after a first time
    assert measure(5_000) < measure(500) + 100_000


def test_the_first_document_comes_before_the_folder_is_walked(tmp_path: Path) -> None:
    write(tmp_path, "a", "sub/b")
    listing = open_folder(tmp_path).list_documents()
    assert next(listing).path == "a"
    write(tmp_path, "sub/late")
    assert {document.path for document in listing} == {"sub/b", "sub/late"}


def test_a_listed_document_of_every_kind_is_storable(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\n")).write_text("x")
    (document,) = open_folder(tmp_path).list_documents()
    assert ListedDocument.model_validate_json(document.model_dump_json()) == document
