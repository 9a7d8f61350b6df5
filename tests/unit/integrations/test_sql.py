"""A query as a source: rows as texts, overviews, nothing written, no password shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.document_ports import Source
from tasks.errors import BackendUnavailable, ConfigurationError, DocumentRejected
from tasks.integrations.overview import find_unit
from tasks.integrations.sources import build_source
from tasks.models import ListedDocument
from tasks.source_models import SqlConfig

PRODUCTS = """
CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT, category TEXT, weight_kg REAL, price_eur NUMERIC,
                       released DATE, changed TEXT, drawing BLOB, readers TEXT);
INSERT INTO products VALUES
  ('P-1040', 'Minim S', 'pump', 1.25, 199.9, '2024-03-01', '2024-05-06T07:08:09+02:00', x'ff00', NULL),
  ('P-2', 'Orbita', 'pump', 310, NULL, '2023-05-02', NULL, NULL, 'hr, service'),
  ('P/3 ü', 'Senta', 'sensor', 0.2, 49, NULL, 'yesterday', NULL, '');
CREATE TABLE price_list (sku TEXT, list_price_eur REAL, currency TEXT);
INSERT INTO price_list VALUES ('P-2', 3.5, 'EUR'), ('P-2', 4.5, 'EUR');
"""


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "company.db"
    with closing(sqlite3.connect(file)) as database:
        database.executescript(PRODUCTS)
        yield file


def open_sql(file: Path, **options: Any) -> Source:
    options = {"name": "products", "url": f"sqlite:///{file}", **options}
    if "query" not in options:
        options.setdefault("table", "products")
    return build_source(SqlConfig(**options), variables={"PASSWORD": "hunter2"}, max_file_mb=1)


def read(source: Source, path: str) -> str:
    with source.open_document(path) as stream:
        return stream.read().decode()


def rows_of(source: Source) -> dict[str, ListedDocument]:
    return {document.path: document for document in source.list_documents()}


def test_a_row_is_a_document_with_a_readable_stable_uri(company: Path) -> None:
    source = open_sql(company, title="{name} ({sku})", template="{name} is a {category}.\nIt costs {price_eur} EUR.")
    listed = rows_of(source)
    assert [document.uri for document in listed.values()] == [
        "sql:products/P-1040",
        "sql:products/P-2",
        "sql:products/P%2F3%20%C3%BC",
        "sql:products/@overview",
    ]
    first = listed["P-1040"]
    assert (first.title, first.file_name, first.problem) == ("Minim S (P-1040)", "P-1040.record", None)
    assert read(source, "P-1040") == "Minim S (P-1040)\n\nMinim S is a pump.\nIt costs 199.9 EUR.\n"
    assert read(source, "P-2") == "Orbita (P-2)\n\nOrbita is a pump.\n", "a line without any value is left out"
    assert first.size_bytes == len(read(source, "P-1040"))


def test_without_a_template_a_row_is_a_line_a_column(company: Path) -> None:
    source = open_sql(company, groups_column="readers")
    assert read(source, "P-1040") == (
        "products P-1040\n\nsku: P-1040\nname: Minim S\ncategory: pump\nweight_kg: 1.25\nprice_eur: 199.9\n"
        "released: 2024-03-01\nchanged: 2024-05-06T07:08:09+02:00\ndrawing: ff00\n"
    )


def test_the_etag_follows_the_text(company: Path) -> None:
    def etags() -> dict[str, str | None]:
        return {path: row.etag for path, row in rows_of(open_sql(company, template="{name}", overview=False)).items()}

    before = etags()
    assert etags() == before
    with closing(sqlite3.connect(company)) as database:
        database.execute("UPDATE products SET name = 'Minim T', weight_kg = 9 WHERE sku = 'P-1040'")
        database.execute("UPDATE products SET weight_kg = 9 WHERE sku = 'P-2'")
        database.commit()
    after = etags()
    assert [path for path in before if before[path] != after[path]] == ["P-1040"]


def test_readers_and_time_come_from_columns(company: Path) -> None:
    listed = rows_of(open_sql(company, groups=["staff"], groups_column="readers", modified_column="changed"))
    assert listed["P-1040"].groups == ("staff",)
    assert listed["P-2"].groups == ("hr", "service")
    assert str(listed["P-1040"].modified) == "2024-05-06 05:08:09+00:00"
    assert (listed["P-2"].modified, listed["P%2F3%20%C3%BC"].modified) == (None, None)


def test_the_overview_is_for_those_who_may_read_every_row(company: Path) -> None:
    assert rows_of(open_sql(company, groups_column="readers"))["@overview"].groups == ("hr", "service")


def test_an_overview_that_nobody_may_read_is_left_out(company: Path) -> None:
    with closing(sqlite3.connect(company)) as database:
        database.execute("UPDATE products SET readers = 'board' WHERE sku = 'P-1040'")
        database.commit()
    assert "@overview" not in rows_of(open_sql(company, groups_column="readers"))


def test_the_overview_answers_how_many_which_largest_and_what_kinds(company: Path) -> None:
    text = read(open_sql(company, title="{name}"), "@overview")
    assert text.startswith("products: overview of the table\n\nThe table products has 3 rows. There are 3 products.")
    assert (
        "products, column weight, weight_kg (number, in kg): 3 of 3 rows have a value. "
        "The smallest is 0.2 kg (Senta). The largest is 310 kg (Orbita)."
    ) in text
    assert "products, column price, price_eur (number, in EUR): 2 of 3 rows have a value." in text
    assert "There are 2 distinct values: pump (2 rows), sensor (1 row)." in text
    assert "column released (date): 2 of 3 rows have a value. The smallest is 2023-05-02 (Orbita)." in text
    assert "column readers" not in read(open_sql(company, groups_column="readers"), "@overview")


def test_the_overview_is_german_where_the_source_is(company: Path) -> None:
    source = open_sql(company, language="de", units={"released": "Tag"}, overview_tables=["price_list"])
    assert "Die Tabelle products hat 3 Zeilen. Es gibt 3 products." in read(source, "@overview")
    prices = read(source, "@overview/price_list")
    assert "price_list: Übersicht der Tabelle" in prices
    assert "Spalte list price, list_price_eur (Zahl, in EUR): 2 von 2 Zeilen haben einen Wert." in prices
    assert "Der größte Wert ist 4.5 EUR (P-2)." in prices
    assert "Ihr einziger Wert ist EUR (2 Zeilen)." in prices


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("weight_kg", "kg"),
        ("flow_m3_h", "m³/h"),
        ("Preis (EUR)", "EUR"),
        ("pressure [bar]", "bar"),
        ("kg", None),
        ("name", None),
    ],
)
def test_units_are_read_from_column_names(column: str, unit: str | None) -> None:
    assert find_unit(column) == unit


def test_an_empty_table_still_has_an_overview(company: Path) -> None:
    source = open_sql(company, query="SELECT sku FROM products WHERE sku = 'none'", key="sku")
    assert list(rows_of(source)) == ["@overview"]
    assert "There are 0 products." in read(source, "@overview")


def test_rows_without_key_and_with_a_key_again_are_problems_not_losses(company: Path) -> None:
    source = open_sql(company, query="SELECT sku, currency FROM price_list UNION ALL SELECT NULL, 'x'", key=["sku"])
    reasons = {path: row.problem and row.problem.reason for path, row in rows_of(source).items()}
    assert reasons == {"P-2": None, "P-2@row-2": "duplicate-key", "@row-3": "no-key", "@overview": None}


def test_a_key_of_several_columns_is_a_path(company: Path) -> None:
    source = open_sql(company, table="price_list", key=["sku", "list_price_eur"], overview=False)
    assert list(rows_of(source)) == ["P-2/3.5", "P-2/4.5"]


def test_a_row_opens_without_a_listing_and_a_missing_one_is_rejected(company: Path) -> None:
    source = open_sql(company, template="{name}")
    assert read(source, "P-2") == "products P-2\n\nOrbita\n"
    with pytest.raises(DocumentRejected) as raised:
        read(source, "P-77")
    assert raised.value.reason == "vanished"


def test_percent_and_colon_in_a_query_stay_what_they_are(company: Path) -> None:
    query = "SELECT sku, '12:30 :x %s' AS t FROM products WHERE name LIKE '%s%' -- every :row; even this one\n;"
    assert "t: 12:30 :x %s" in read(open_sql(company, query=query, key="sku"), "P-1040")


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM products",
        "SELECT 1; DROP TABLE products",
        "/* SELECT */ UPDATE products SET name = ''",
        "",
        "PRAGMA x",
    ],
)
def test_only_one_reading_statement_is_accepted(company: Path, query: str) -> None:
    with pytest.raises(ValidationError):
        open_sql(company, query=query, key="sku")


def test_the_database_is_opened_for_reading_only(company: Path) -> None:
    source = open_sql(company, query="WITH x AS (SELECT 1) INSERT INTO price_list SELECT 'a', 1, 'b'", key="sku")
    with pytest.raises(ConfigurationError, match="readonly"):
        rows_of(source)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"query": "SELECT skuu FROM products", "key": "sku"}, "no such column: skuu"),
        ({"query": "SELECT FROM", "key": "sku"}, "syntax error"),
        ({"table": "product"}, "did you mean products?"),
        ({"table": "price_list"}, "no primary key"),
        ({"template": "{nmae} {x}", "title": "{y}"}, "no column is called y, nmae, x"),
        ({"groups_column": "grps", "modified_column": "when"}, "no column is called when, grps"),
        ({"query": "SELECT sku, sku FROM products", "key": "sku"}, "several columns are called sku"),
        ({"overview_tables": ["nothing"]}, "no such table: nothing"),
        ({"url": "sqlite:////nowhere/x.db"}, "there is no database file"),
        ({"url": "nosuch://u:${PASSWORD}@h/x"}, "nosuch"),
        ({"url": "no url"}, "the url cannot be read"),
    ],
)
def test_what_is_configured_wrongly_is_said_before_the_first_row(
    company: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        rows_of(open_sql(company, **options))
    assert said in str(raised.value) + raised.value.advice
    assert raised.value.advice
    assert "hunter2" not in str(raised.value)


def test_a_missing_database_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        rows_of(open_sql(tmp_path / "new.db"))
    assert not (tmp_path / "new.db").exists()


def test_a_server_that_does_not_answer_is_unavailable_and_its_password_unsaid() -> None:
    pytest.importorskip("psycopg", reason="the extra postgresql is not installed")
    with pytest.raises(BackendUnavailable) as raised:
        rows_of(open_sql(Path(), url="postgresql+psycopg://joe:${PASSWORD}@127.0.0.1:1/company"))
    assert "hunter2" not in str(raised.value) + repr(raised.value)


def test_a_locked_or_broken_database(company: Path, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database " * 500)
    with pytest.raises(ConfigurationError, match="not a database"):
        rows_of(open_sql(tmp_path / "text.db"))
    with closing(sqlite3.connect(company)) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(BackendUnavailable, match="locked"):
            rows_of(open_sql(company, url=f"sqlite:///{company}?timeout=0.1"))


def test_a_cell_that_is_no_text_does_not_end_the_listing(company: Path) -> None:
    with closing(sqlite3.connect(company)) as database:
        database.execute("UPDATE products SET name = CAST(x'ff41' AS TEXT) WHERE sku = 'P-2'")
        database.commit()
    assert "name: \ufffdA" in read(open_sql(company), "P-2")


def test_a_spooled_listing_closes_its_temporary_file(company: Path) -> None:
    for _ in range(3):
        source = open_sql(company)
        rows_of(source)
        assert read(source, "P-2")
