"""Numbers, units and dates in one spelling."""

from __future__ import annotations

import pytest

from tasks.answering.quantities import find_quantities, quantities_agree


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
