"""Questions that ask what something is about, and what they ask it of.

A grammar of the forms in which German and English ask for it, not a model: whether a question is searched in another
way must not hang on its subject. A question that is not clearly of such a form is an ordinary one.
"""

from __future__ import annotations

import re

_MOST_CHARACTERS = 300
"""Of a question that asks this; a pasted document may say everything."""


def _any(words: str) -> str:
    """A pattern of words or patterns that stand between commas."""
    return f"(?:{'|'.join(words.split(', '))})"


_ME = _any("me, us, mir, uns")
_SOFTLY = rf"(?: {_any('please, bitte, mal, kurz, knapp, briefly')})*"
_POLITE = (
    rf"(?:{_any('please, kindly, bitte, hallo, hello, hi, ok, okay')}[\s,!.]+)*"
    rf"(?:{_any('can, could, would, will')} you(?: please)? (?:{_any('tell, explain to, show')} {_ME} )?"
    rf"|{_any('i, we')}(?:['’]d| would)? {_any('need, want, like')}(?: to {_any('have, get, know, see, read')})? "
    rf"|{_any('kannst du, könntest du, können sie, könnten sie, würden sie, würdest du')}(?: {_ME})?{_SOFTLY} "
    rf"(?:{_any('sagen, erklären, verraten, schreiben')},? )?"
    rf"|{_any('ich, wir')} {_any('brauche, brauchen, möchten?, hätten?, will, wollen')}(?: gerne?)?(?: wissen,?)? "
    rf"|{_any('tell, explain to, show, sag, sage, sagen sie, erkläre?, erklären sie')}(?: {_ME})?{_SOFTLY},? )?"
    rf"(?:{_any('please, bitte, mal, kurz, briefly')} )*"
)
_GIVE = (
    "(?:"
    + _any(
        "give, write, provide, show, send, get, make, create, gib, geben sie, schreibe?, schreiben sie, erstelle?, "
        "erstellen sie, liefere?, mache?"
    )
    + rf"(?: {_ME})?{_SOFTLY} )?"
)
_ARTICLE = rf"(?:{_any('the, a, an, der, die, das, ein, eine, einen')} )?"
_OF = _any("of, on, about, over, for, über, zu[rm]?, von, vom, aus, de[rs], eine[rs], diese[rs]")
_OF_ONE = _any("of, vo[nm], de[rs], eine[rs], diese[rs]")
_IN = _any("in, im, bei, beim")
_ADVERB = _any(
    "all, mainly, mostly, generally, basically, roughly, überhaupt, eigentlich, grob, genau, im wesentlichen, "
    "hauptsächlich"
)
_SHORT = _any(
    "short, brief, quick, concise, rough, general, complete, full, kurze[nrs]?, knappe[nrs]?, grobe[nrs]?, "
    "schnelle[nrs]?, kleine[nrs]?, allgemeine[nrs]?"
)
_GIST = _any(
    "summary, overview, outline, abstract, synopsis, gist, digest, rundown, recap, überblick, übersicht, "
    "zusammenfassung, kurzfassung, inhaltsangabe, abriss"
)
_MAIN = _any(
    "main, central, key, essential, most important, core, wesentlichen?r?, wichtigsten?, zentralen?r?, "
    "eigentlichen?r?, groben?r?"
)
_SUBSTANCE = _any(
    "points?, topics?, subjects?, subject matter, contents?, ideas?, messages?, statements?, takeaways?, themes?, "
    "inhalte?s?, themen?, punkte, aussagen?, gegenstand, kern, kernaussagen?, kernpunkte, kerninhalte?"
)
_WHAT_IS = _any("what['’]s, what is, what are, was ist, was sind")
_NO_VERB = (
    rf"(?!{_any('is, are, was, were, do, does, did, has, have, had, can, could, will, would, should, must, may')} )"
)
"""Of a clause within another: "tell me what the report is about"."""

_BRIEFLY = _any(
    "in a nutshell, in brief, in short, in kürze, kurz zusammengefasst, in wenigen worten, in kurzen worten, "
    "in ein paar worten"
)
_TOPIC = "(?P<topic>.+?)"

_FORMS = tuple(
    re.compile(f"{_POLITE}{form}", re.IGNORECASE)
    for form in (
        # what is … about?
        rf"what(?:['’]s| is| are| was| were)(?: {_ADVERB})? {_TOPIC}(?: {_ADVERB})? about",
        rf"what {_NO_VERB}{_TOPIC} (?:is|are|was|were)(?: {_ADVERB})? about",
        rf"what (?:does|do|did)(?: {_ADVERB})? {_TOPIC}(?: {_ADVERB})? deal with",
        rf"what {_NO_VERB}{_TOPIC}(?: {_ADVERB})? deals? with",
        # summarise …, … in a nutshell
        rf"(?:summari[sz]e|sum up|outline|recap)(?: (?:for )?{_ME})? {_TOPIC}",
        rf"(?:the )?tl;?dr(?: (?:of|for|on))?:? {_TOPIC}",
        rf"{_TOPIC},? {_BRIEFLY}",
        # give me an overview of …, what are the main points of …, what is the subject matter of …
        rf"{_GIVE}{_ARTICLE}(?:{_SHORT} )*{_GIST} {_OF} {_TOPIC}",
        rf"(?:{_WHAT_IS}|nenne?|nennen sie|list|name) (?:{_ME} )?{_ARTICLE}(?:{_MAIN} )+{_SUBSTANCE} {_OF} {_TOPIC}",
        rf"{_WHAT_IS} {_ARTICLE}(?:{_GIST}|subject matter|gegenstand|inhalt) {_OF_ONE} {_TOPIC}",
        # worum geht es in …?
        rf"(?:worum|um was) (?:geht|dreht|handelt)(?: es|['’]?s| sich)(?: es| sich)?(?: {_ADVERB})* {_IN} {_TOPIC}",
        rf"(?:worum|um was) es(?: sich)?(?: {_ADVERB})* {_IN} {_TOPIC}(?: {_ADVERB})* (?:geht|dreht|handelt)",
        rf"(?:wovon|von was|worüber) {_any('handelt, handeln, berichtet, berichten')}(?: {_ADVERB})* {_TOPIC}",
        rf"(?:wovon|worüber) {_TOPIC}(?: {_ADVERB})* {_any('handelt, handeln, berichtet, berichten')}",
        rf"was (?:behandelt|behandeln|thematisiert) {_TOPIC}",
        rf"was steht (?:so |denn )*(?:{_ADVERB}|alles) {_IN} {_TOPIC}",
        # fasse … zusammen
        rf"(?:fass|fasse|fassen sie)(?: {_ME})?{_SOFTLY} {_TOPIC}{_SOFTLY} zusammen",
        rf"{_TOPIC}{_SOFTLY} zusammenfassen",
    )
)


def find_topic(question: str) -> str | None:
    """What an overview is asked of, in the question's own words.

    Args:
        question: In any language; German and English forms are known.

    Returns:
        "the contract with Meyer" of "What is the contract with Meyer about?"; None of every other question.
    """
    said = " ".join(question.split()).rstrip(" ?!.…")
    if len(said) > _MOST_CHARACTERS:
        return None
    for form in _FORMS:
        found = form.fullmatch(said)
        if found and any(map(str.isalnum, found["topic"])):
            return found["topic"]
    return None
