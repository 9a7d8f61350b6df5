"""What a claim may deny."""

from __future__ import annotations

import pytest

from tasks.answering.polarity import polarities_agree, split_clauses
from tasks.answering.words import Stems


def agree(claim: str, evidence: str, language: str) -> bool:
    stems = Stems(language)
    return polarities_agree(split_clauses(claim, stems), split_clauses(evidence, stems))


@pytest.mark.parametrize(
    ("claim", "evidence", "language"),
    [
        ("Pets are not allowed in the lounge.", "No pets are allowed in the lounge.", "en"),
        ("Credits are not paid out.", "Credits are booked with the invoice and are not paid out.", "en"),
        ("Credits are booked with the invoice.", "Credits are booked with the invoice and are not paid out.", "en"),
        ("The team may force a change.", "There is no periodic change; the team may force one.", "en"),
        ("A guest comes at no cost.", "A guest is free.", "en"),
        ("Das Gas tritt nie aus.", "Das Gas darf nicht austreten.", "de"),
        ("Nicht genommener Urlaub verfällt.", "Urlaub verfällt im März.", "de"),
        ("Nitrilhandschuhe sind für Aceton ungeeignet.", "Für Aceton sind Nitrilhandschuhe nicht geeignet.", "de"),
    ],
)
def test_claims_that_deny_the_same_agree(claim: str, evidence: str, language: str) -> None:
    assert agree(claim, evidence, language)


@pytest.mark.parametrize(
    ("claim", "evidence", "language"),
    [
        ("Pets are allowed in the lounge.", "No pets are allowed in the lounge.", "en"),
        ("Credits are paid out.", "Credits are booked with the invoice and are not paid out.", "en"),
        ("Credits are not booked with the invoice.", "Credits are booked with the invoice and not paid out.", "en"),
        ("The fare is refundable.", "The fare is non-refundable.", "en"),
        ("It isn't covered.", "It is covered.", "en"),
        ("The seal holds silver.", "The seal does not hold gold and silver.", "en"),
        ("Das Gas darf austreten.", "Das Gas darf nicht austreten.", "de"),
        ("Ein Anspruch besteht.", "Es besteht kein Anspruch.", "de"),
    ],
)
def test_a_denial_added_or_left_out_does_not(claim: str, evidence: str, language: str) -> None:
    assert not agree(claim, evidence, language)
