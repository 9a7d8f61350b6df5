"""Numbers, units and dates in one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.answering.quantities import (
    Quantity,
    find_bounds,
    find_quantities,
    find_rates,
    find_singles,
    find_units,
    quantities_agree,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.200 €", "EUR 1,200.00"),
        ("1200 Euro", "1'200 €"),
        ("3,5 bar", "3.50 bar"),
        ("10 000 km", "10.000 km"),
        ("3. März 2024", "March 3rd, 2024"),
        ("3 March 2024", "2024-03-03"),
        ("03.03.2024", "3 Mar 2024"),
        ("5 Tage", "five days"),
        ("zwölf Monate", "12 months"),
        ("20 %", "20 Prozent"),
        ("1,00,000 INR", "₹100000"),
        ("₹50 lakhs", "5,000,000 INR"),
        ("2,5 Mio. Euro", "2,500,000 EUR"),
        ("60 minutes", "1 hour"),
        ("half an hour", "30 min"),
        ("drei Jahre", "36 Monate"),
        ("two weeks", "14 days"),
        ("1.5 cm", "15 mm"),
        ("1 t", "1000 kg"),
        ("EUR135", "135 €"),
        ("1 bar", "100 kPa"),
        ("zweieinhalb Tage", "2.5 days"),
        ("five working days", "fünf Arbeitstage"),
        ("7–10 days", "7 to 10 days"),
        ("zwischen 20 und 50 Hz", "20 Hz, 50 Hz"),
        ("24 Betriebsstunden", "24 hours"),
        ("7,5 km/h", "7.5 kilometres per hour"),
        ("9 bis 12 Uhr", "9:00, 12:00"),
        ("3 pm", "15:00 Uhr"),
        ("Friday", "freitags"),
        ("TX-200", "TX200"),
        ("im März", "in March"),
        ("31.03. ", "31 March"),
    ],
)
def test_two_spellings_of_one_quantity_are_equal(one: str, other: str) -> None:
    assert find_quantities(one)
    assert find_quantities(one) == find_quantities(other)


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("30 days", "31 days"),
        ("30 days", "30 months"),
        ("3.5 bar", "35 bar"),
        ("2 May 2024", "3 May 2024"),
        ("2 May 2024", "2 May 2023"),
        ("1200 EUR", "1200 USD"),
        ("zwei Wochen", "two days"),
        ("type TX-200", "type TX-300"),
        ("60 minutes", "pumps D60 and S18"),
        ("the D60", "the D120"),
        ("0.38 EUR per km", "0.38 EUR per mile"),
        ("30 days", "30 working hours"),
        ("five working days", "five days"),
        ("800 g", "800 kg"),
        ("in 2023", "in 2024"),
        ("in March", "in May 2024"),
        ("9 Uhr", "10 Uhr"),
        ("on Monday", "on Tuesday"),
        ("+1 555 0100", "+1 555 0101"),
        ("layout 1-2-1", "layout 2-4-2"),
        ("24 hours", "CloudWay 24"),
        ("60 minutes", "20 minutes instead of 60"),
    ],
)
def test_another_number_unit_or_date_does_not_agree(claim: str, evidence: str) -> None:
    assert not quantities_agree(find_quantities(claim), find_quantities(evidence))


def test_a_claim_may_say_less_than_the_evidence_and_not_more() -> None:
    evidence = find_quantities("Valid from 2 May 2024 for 30 days at 5 EUR")
    assert quantities_agree(find_quantities("30 days from 2 May"), evidence)
    assert not quantities_agree(find_quantities("30 days and 7 hours"), evidence)


def test_a_unit_that_stands_in_the_tables_header_may_be_missing() -> None:
    assert quantities_agree(find_quantities("it costs 30 EUR"), find_quantities("A-12 | 30"))


def test_a_bare_number_is_in_a_unit_that_the_text_names() -> None:
    claim, evidence = find_quantities("240 volts"), frozenset([Quantity("240", "")])
    assert quantities_agree(claim, evidence, units=find_units("Voltage (V)"))
    assert not quantities_agree(claim, evidence, units=find_units("Weight (kg)"))


def test_the_number_of_a_list_item_is_none_and_a_day_is() -> None:
    assert not find_quantities("1. Open the valve")
    assert find_quantities("1. Januar 2027") == find_quantities("2027-01-01")


def test_an_ordinal_agrees_with_its_number() -> None:
    assert quantities_agree(find_quantities("ab dem 10. Jahr"), find_quantities("ab dem zehnten Jahr"))


def test_days_say_less_than_working_days() -> None:
    assert quantities_agree(find_quantities("within five days"), find_quantities("binnen fünf Arbeitstagen"))


def test_an_article_counts_as_one_where_the_claim_counts() -> None:
    assert quantities_agree(find_quantities("1 guest"), find_singles("They bring a guest."))
    assert quantities_agree(find_quantities("1 year"), find_singles("innerhalb eines Jahres"))
    assert not quantities_agree(find_quantities("2 guests"), find_singles("They bring a guest."))


@pytest.mark.parametrize(
    ("one", "other"), [("monthly", "a month"), ("jährlich", "pro Jahr"), ("daily", "transfers/day")]
)
def test_rates_have_one_spelling(one: str, other: str) -> None:
    assert find_rates(one) == find_rates(other) != frozenset()


def test_the_least_is_told_from_the_most() -> None:
    twenty = Quantity("20", "mm")
    assert find_bounds("at least 20 mm") == {twenty: "least"}
    assert find_bounds("höchstens 20 mm") == find_bounds("nicht mehr als 20 mm") == {twenty: "most"}


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("0123456789 .,:-/€%$ahmTX\x01")), max_size=120))
def test_any_text_has_quantities_that_agree_with_themselves(text: str) -> None:
    found = find_quantities(text)
    assert quantities_agree(found, found)


@given(
    st.integers(1, 10_000), st.integers(1, 10_000), st.sampled_from(["minutes", "kg", "EUR", "%", "Monate", "l", "bar"])
)
def test_two_numbers_of_one_unit_agree_only_when_they_are_equal(one: int, other: int, unit: str) -> None:
    assert quantities_agree(find_quantities(f"{one} {unit}"), find_quantities(f"{other} {unit}")) == (one == other)


@pytest.mark.parametrize("text", ["In 2026, EUR 185,000 are planned.", "Im 2026 geplanten Budget stehen 185.000 Euro."])
def test_a_preposition_names_nothing_though_it_begins_the_sentence(text: str) -> None:
    assert {Quantity("2026-?-?", "date"), Quantity("185000", "eur")} <= find_quantities(text)
