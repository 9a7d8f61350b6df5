"""sources.yaml: every fault at once, in words, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.documents.sources import describe_path, load_sources, parse_sources, refuse_opening
from tasks.errors import ConfigurationError
from tasks.source_models import (
    FilesConfig,
    MailConfig,
    RecordsConfig,
    SourcesFile,
    SqlConfig,
    escape_path,
    expand_references,
    hide_secrets,
    unescape_path,
)


def parse(text: str, **variables: str) -> SourcesFile:
    return parse_sources(text, name="sources.yaml", folder=Path("/company"), variables=variables)


def faults_of(text: str, **variables: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, **variables)
    assert raised.value.advice
    return [line.strip() for line in str(raised.value).splitlines()[1:]]


def test_a_complete_file_becomes_one_model_a_source() -> None:
    file = parse(
        """
sources:
  - name: handbook
    url: documents
    include: ["**/*.pdf", "*.md"]
    exclude: [drafts/]
    groups: [everyone]
    groups_by_glob:
      hr/**: [hr]
    groups_sidecar: .groups
    max_file_mb: 12.5
    language: de
    tenant: acme
  - {name: mail, kind: mail, url: /var/mail/export}
  - {name: bucket, url: "s3://company/docs", storage_options: {key: "${KEY}"}}
  - {name: products, kind: sql, url: "sqlite:///company.db", table: products, title: "{name}"}
  - {name: tickets, kind: records, url: tickets.jsonl, key: id}
""",
        KEY="secret",
    )
    kinds = [type(source) for source in file.sources]
    assert kinds == [FilesConfig, MailConfig, FilesConfig, SqlConfig, RecordsConfig]
    assert [source.url for source in file.sources] == [
        "/company/documents",
        "/var/mail/export",
        "s3://company/docs",
        "sqlite:////company/company.db",
        "/company/tickets.jsonl",
    ]
    assert "secret" not in repr(file) + file.model_dump_json()


def test_a_wrong_file_lists_all_its_faults_with_lines_and_what_to_write() -> None:
    assert faults_of(
        """sources:
  - name: a
    url: docs
    inclde: []
    include: "*.pdf"
    groups: [on]
    max_file_mb: -1
    groups_by_glob:
      "a{b}": [x]
    name: b
  - kind: sql
    url: sqlite:///x.db
    table: t
    query: delete from t
    template: "{a} {"
    language: deutsch
  - kind: sqll
  - just text
  - {name: r, kind: records, url: "${NOPE}/x.csv", key: [], encoding: klingon}
extra: 1
"""
    ) == [
        "line 4: sources[0].inclde: unknown key; did you mean include?",
        "line 5: sources[0].include: is no list; write it in brackets: [hr, service]",
        "line 6: sources[0].groups[0]: is no text; write it in quotes",
        "line 7: sources[0].max_file_mb: is not larger than 0; write for example 100",
        r"line 9: sources[0].groups_by_glob.a{b}: holds !, { } or \, which no glob knows; write one glob for each case",
        "line 10: name: is in line 2 already; delete one of them",
        "line 11: sources[1].key: is missing beside a query; write the column that names a row, such as key: id",
        "line 11: sources[1].name: is missing; write name: ...",
        "line 14: sources[1].query: both table and query are given; write one of them",
        "line 14: sources[1].query: is no SELECT; only a reading statement is run",
        "line 15: sources[1].template: a brace names no column; write {column}, and {{ or }} for a brace itself",
        "line 16: sources[1].language: is no language code; write two small letters, for example de or en",
        "line 17: sources[2].kind: unknown kind; did you mean sql?",
        "line 17: sources[2].name: is missing; write name: ...",
        "line 17: sources[2].url: is missing; write url: ...",
        "line 18: sources[3]: is no source; write '- name: handbook' and 'url: ...' beneath it",
        "line 19: sources[4].encoding: is no encoding; write for example utf-8, cp1252 or utf-16",
        "line 19: sources[4].key: is empty; write at least one, or leave the line out",
        "line 19: sources[4].url: the variable NOPE is not set; set it in the environment or in .env",
        "line 20: extra: unknown key; write one of sources",
    ]


def test_a_fault_never_repeats_a_value() -> None:
    text = "sources: [{name: a, kind: sql, url: ['postgresql://u:hunter2@h/d'], query: hunter2, tenant: 'hunter2!'}]"
    assert "hunter2" not in "".join(faults_of(text))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: &x [1]\nb: *x", "line 1: anchors (&) and aliases (*) are not read"),
        ("sources:\n\t- a", "line 2: no valid YAML"),
        ("sources: [", "line 1: no valid YAML"),
        ("--- a\n--- b", "line 2: no valid YAML"),
        ("[" * 5000, "line 1: "),
        ("\x00", "line 1: holds characters that YAML forbids"),
        ("", "line 1: no list of sources"),
        ("sources: {}", "line 1: no list of sources"),
        ("sources:\n- {name: !!python/object:os.system x, url: y}", "line 2: a tag (!) is not read"),
        ("sources:\n- {name: x, url: !!int y}", "line 2: this value is not valid"),
        ("sources: []\n? [a, b]\n: c", "line 2: a key is no text"),
        ("x" * 1_000_001, "line 1: the file is larger than 1 MB"),
    ],
)
def test_hostile_yaml_is_a_fault_and_no_crash(text: str, fault: str) -> None:
    assert faults_of(text)[0].startswith(fault)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    assert faults_of("\n".join(lines))[0].startswith("line 1: anchors")


def test_two_sources_of_one_tenant_cannot_share_a_name() -> None:
    text = "sources:\n- {name: a, url: x}\n- {name: a, url: y}\n- {name: a, url: z, tenant: other}"
    assert faults_of(text) == ["line 3: sources[1].name: the source in line 2 has this name too; write another one"]


def test_other_faults_hide_no_name_that_two_sources_share() -> None:
    faults = faults_of("sources:\n  - {name: a, url: docs}\n  - {name: a, url: src, groups: hr}\n")
    assert len(faults) == 2
    assert "has this name too" in " ".join(faults)


def test_an_unknown_kind_hides_no_fault_that_every_kind_would_have() -> None:
    faults = " ".join(faults_of("sources:\n  - {name: a, ulr: docs, kind: flies, query: x, max_file_mb: x}\n"))
    assert "did you mean files" in faults
    assert "ulr: unknown key; did you mean url" in faults
    assert "url: is missing" in faults
    assert "query" not in faults, "another kind may have it"


def test_load_sources_names_the_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml") as raised:
        load_sources(tmp_path / "nothing.yaml", variables={})
    assert "expertloop init" in raised.value.advice


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text("sources:\n- {name: a, url: ../docs/x}\n", encoding="utf-8-sig")
    assert load_sources(file, variables={}).sources[0].url == str(tmp_path.parent.resolve() / "docs/x")


def test_the_same_folder_is_the_same_source_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs/sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    spellings = ["docs", "docs/", "./docs", "docs/sub/..", str(tmp_path / "docs"), f"{tmp_path}/docs//"]
    spellings.append((tmp_path / "docs").as_uri())
    assert {describe_path(spelling).name for spelling in spellings} == {str(tmp_path / "docs")}


def test_a_link_before_two_dots_is_followed_as_the_system_does(tmp_path: Path) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")
    assert describe_path(f"{tmp_path}/link/../x").name == str(tmp_path.resolve() / "real/x")
    assert describe_path(f"{tmp_path}/link").name == str(tmp_path / "link")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("{0}/hr", True),
        ("{0}/hr/plans", True),
        ("{0}/hr/plans/a.md", True),
        ("{0}", True),
        ("{0}/link", True),
        ("{0}/tickets.csv", True),
        ("{0}/pay", True),
        ("file://{0}/hr", True),
        ("{0}/named", True),
        ("{0}/written", True),
        ("{0}/open", False),
        ("{0}/hr-forms", False),
        ("s3://bucket/board/x", True),
        ("s3://bucket/boards", False),
        ("s3://hr", False),
    ],
)
def test_a_path_that_a_source_keeps_from_some_is_not_read_for_everyone(
    tmp_path: Path, path: str, *, refused: bool
) -> None:
    (tmp_path / "hr").mkdir()
    (tmp_path / "link").symlink_to("hr")
    known = parse_sources(
        """
sources:
- {name: forms, url: open}
- {name: people, url: hr, groups: [hr]}
- {name: named, url: "${BASE}/named", groups: [hr]}
- {name: written, url: "file://BASE/written", groups: [hr]}
- {name: pay, url: pay, groups_sidecar: .groups}
- {name: board, url: s3://bucket/board, groups_by_glob: {"*": [board]}}
- {name: tickets, kind: records, url: tickets.csv, key: id, groups_column: readers}
- {name: products, kind: sql, url: "sqlite:///x.db", table: products, groups: [hr]}
""".replace("file://BASE", f"file://{tmp_path}"),
        name="sources.yaml",
        folder=tmp_path,
        variables=(variables := {"BASE": str(tmp_path)}),
    ).sources
    wanted = describe_path(path.format(tmp_path))
    if not refused:
        refuse_opening(wanted, known, file="sources.yaml", variables=variables)
        return
    with pytest.raises(ConfigurationError, match=r"of sources\.yaml, or that in it"):
        refuse_opening(wanted, known, file="sources.yaml", variables=variables)


def test_a_url_is_named_without_its_secrets() -> None:
    assert describe_path("s3://bucket/docs/").name == "s3://bucket/docs"
    assert describe_path("ftp://joe:pw@host/x").name == "ftp://joe@host/x"
    assert hide_secrets("https://h/a.pdf?id=5&sig=abc#x") == "https://h/a.pdf?id=5&sig=***#x"
    assert hide_secrets("abfs://container@account.dfs/x") == "abfs://container@account.dfs/x"


def test_a_path_may_hold_what_looks_like_a_reference() -> None:
    assert expand_references(describe_path("/x/${HOME}").url, {}) == "/x/${HOME}"
    assert expand_references("${A}-$${A}-$B", {"A": "1"}) == "1-${A}-$B"


@pytest.mark.parametrize("path", ["a/b.pdf", "100%.md", "%41", "new\nline", "bad\udcff\udcfe", "ü😀 #?", "\x85"])
def test_an_escaped_path_is_storable_and_comes_back(path: str) -> None:
    assert unescape_path(escape_path(path)) == path
    assert escape_path(path).encode().decode().isprintable()


def test_the_reference_shows_every_key_and_its_example_is_valid() -> None:
    reference = (Path(__file__).parents[3] / "docs/sources.md").read_text()
    example = reference.partition("```yaml\n")[2].partition("```")[0]
    variables = {"ARCHIVE_KEY": "k", "ARCHIVE_SECRET": "s", "DB_PASSWORD": "p"}
    assert len(parse(example, **variables).sources) == 6
    for model in (FilesConfig, MailConfig, SqlConfig, RecordsConfig):
        assert [key for key in model.model_fields if f"{key}:" not in example] == []
