"""How strongly a claim may bind."""

from __future__ import annotations

import pytest

from tasks.answering.modals import Force, find_forces, forces_agree


@pytest.mark.parametrize(
    ("text", "forces"),
    [
        ("Claims must be sent.", {Force.MUST}),
        ("You have to send it.", {Force.MUST}),
        ("Die Unterweisung ist zu dokumentieren.", {Force.MUST}),
        ("Die Schrauben sind nachzuziehen.", {Force.MUST}),
        ("Ein Ventil ist Pflicht.", {Force.MUST}),
        ("Gloves are recommended.", {Force.SHOULD}),
        ("Der Antrag soll bald kommen.", {Force.SHOULD}),
        ("Der Kunde kann kündigen.", {Force.MAY}),
        ("Pets are allowed.", {Force.MAY}),
        ("Fees may apply.", {Force.MAY, Force.PERHAPS}),
        ("Valid from May 5, 2024", set()),
        ("It runs.", set()),
    ],
)
def test_modal_words_have_a_force(text: str, forces: set[Force]) -> None:
    assert find_forces(text) == forces


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("It can be refused.", "It may be refused."),
        ("Send it by Friday.", "It must be sent by Friday."),
        ("It must be sent by Friday.", "Send it by Friday."),
        ("It must not run dry.", "It cannot run dry."),
        ("Sie darf gekündigt werden.", "Sie kann gekündigt werden."),
    ],
)
def test_a_claim_that_binds_alike_agrees(claim: str, evidence: str) -> None:
    assert forces_agree(find_forces(claim), find_forces(evidence))


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("It must be refused.", "It may be refused."),
        ("It may be refused.", "It must be refused."),
        ("It should be sent.", "It must be sent."),
        ("It must be sent.", "It should be sent."),
        ("Sie muss gekündigt werden.", "Sie kann gekündigt werden."),
        ("Fees apply.", "Fees may apply."),
        ("Er muss nicht gelesen werden.", "Er darf nicht gelesen werden."),
    ],
)
def test_a_claim_that_binds_more_or_less_does_not(claim: str, evidence: str) -> None:
    assert not forces_agree(find_forces(claim), find_forces(evidence))
