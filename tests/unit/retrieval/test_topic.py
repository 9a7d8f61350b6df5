"""Questions for an overview are recognised by their form, in German and English, whatever they ask it of."""

from __future__ import annotations

import time

import pytest

from tasks.retrieval.topic import find_topic


@pytest.mark.parametrize(
    ("question", "topic"),
    [
        ("What is the contract with Meyer about?", "the contract with Meyer"),
        ("what's this contract about", "this contract"),
        ("Tell me what the report is about.", "the report"),
        ("What does chapter 3 deal with?", "chapter 3"),
        ("Could you please give me a short overview of the warranty rules?", "the warranty rules"),
        ("Can you summarize the incident report", "the incident report"),
        ("Please summarise the travel policy!", "the travel policy"),
        ("What are the main points of the guideline?", "the guideline"),
        ("What is the gist of the audit?", "the audit"),
        ("The audit report in a nutshell", "The audit report"),
        ("Worum geht es in diesem Vertrag?", "diesem Vertrag"),
        ("Worum geht's beim Rahmenvertrag?", "Rahmenvertrag"),
        ("Kannst du mir sagen, worum es in dem Bericht geht?", "dem Bericht"),
        ("Wovon handelt das Handbuch?", "das Handbuch"),
        ("Fassen Sie bitte den Bericht kurz zusammen.", "den Bericht"),
        ("Kannst du mir die Richtlinie kurz zusammenfassen?", "die Richtlinie"),
        ("Gib mir bitte einen kurzen Überblick über die Reisekosten", "die Reisekosten"),
        ("Was sind die wichtigsten Punkte der Richtlinie?", "Richtlinie"),
        ("Was ist der Inhalt des Vertrags mit Meyer?", "Vertrags mit Meyer"),
    ],
)
def test_its_topic_is_what_it_asks_about(question: str, topic: str) -> None:
    assert find_topic(question) == topic


@pytest.mark.parametrize(
    "question",
    [
        "When are invoices due?",
        "What does the warranty cover?",
        "What is the purpose of the pressure valve?",
        "What information is there about leave?",
        "What is the fee of the contract?",
        "What are new duties that technicians now deal with?",
        "Who wrote the summary of the audit?",
        "Wo finde ich die Zusammenfassung der Ergebnisse?",
        "Was steht in § 3 über Kündigung?",
        "Wie viele Tage Urlaub gibt es?",
        "Worum?",
        "What is about?",
        "",
        f"What is {'very ' * 100} long about?",
    ],
)
def test_every_other_question_is_an_ordinary_one(question: str) -> None:
    assert find_topic(question) is None


@pytest.mark.parametrize("part", ["what is ", "bitte ", "a ", "give me ", "zusammen ", "kurz "])
def test_no_question_takes_long_to_recognise(part: str) -> None:
    started = time.perf_counter()
    find_topic((part * 200)[:299])
    assert time.perf_counter() - started < 1
