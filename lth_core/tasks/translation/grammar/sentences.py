"""Draws sentence pairs: clauses, words and conjunctions. All choices come from one random stream."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from lth_core.tasks.translation.grammar.clauses import (
    MODALS,
    Clause,
    Phrase,
    english,
    english_question,
    german,
    german_final,
)  # fmt: skip
from lth_core.tasks.translation.grammar.lexicon import ADJECTIVES, NOUNS, VERBS, Adjective, Noun, Verb
from lth_core.tasks.translation.grammar.phrases import (
    PRONOUNS,
    NounPhrase,
    Pronoun,
    Words,
    definite_article,
    prepositional,
)  # fmt: skip

T = TypeVar("T")
_KINDS = ("person", "animal", "thing", "text", "lid", "made", "clothes", "food", "place", "room")
_BY_KIND = {kind: [noun for noun in NOUNS if kind in noun.kinds] for kind in _KINDS}
_FITTING = {noun: [a for a in ADJECTIVES if a.kinds & noun.kinds] for noun in NOUNS}
_POSSESSIVES = ("my", "your", "his", "her", "our", "their")
_TIMES = {
    "present": [("today", "heute"), ("now", "jetzt"), ("every day", "jeden Tag"), ("in the evening", "am Abend"),
                ("on Sunday", "am Sonntag")],
    "past": [("yesterday", "gestern"), ("today", "heute"), ("last week", "letzte Woche"), ("on Sunday", "am Sonntag")],
    "future": [("tomorrow", "morgen"), ("today", "heute"), ("next year", "nächstes Jahr"), ("on Sunday", "am Sonntag")],
}  # fmt: skip
_JOINED = (("because", "weil"), ("although", "obwohl"), ("when", "wenn"), ("while", "während"))
_MATRIX = (
    ("I know", "ich weiß"), ("we know", "wir wissen"), ("he says", "er sagt"), ("she believes", "sie glaubt"),
    ("they hope", "sie hoffen"), ("you see", "du siehst"), ("my mother thinks", "meine Mutter denkt"),
)  # fmt: skip
_WH = (("why", "warum"), ("when", "wann"), ("where", "wo"))


class Speaker:
    """Draws sentences. Uses only `random.random`, whose sequence Python guarantees, so that all versions agree."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 no secret

    def sentence(self) -> tuple[str, str]:
        """One pair, written as text."""
        number = self._random()
        if number < 0.25:
            pair, end = self._statement(self._clause(rich=True)), "."
        elif number < 0.5:
            pair, end = self._with_subordinate(), "."
        elif number < 0.68:
            pair, end = self._reported(), "."
        elif number < 0.82:
            pair, end = self._two_statements(), "."
        else:
            pair, end = self._question(), "?"
        return _written(pair[0], end), _written(pair[1], end)

    def _chance(self, probability: float) -> bool:
        return self._random() < probability

    def _one_of(self, options: Sequence[T]) -> T:
        return options[int(self._random() * len(options))]

    def _statement(self, clause: Clause) -> tuple[Words, Words]:
        if clause.time is not None and self._chance(0.4):
            bare = replace(clause, time=None)
            return [clause.time[0], *english(bare)], german(bare, [clause.time[1]])
        return english(clause), german(clause)

    def _with_subordinate(self) -> tuple[Words, Words]:
        conjunction = self._one_of(_JOINED)
        main, sub = self._clause(), self._clause(tenses=("present", "past", "can", "must", "want"))
        once = conjunction[1] == "wenn" and sub.tense == "past"
        sub_english = [conjunction[0], *english(sub)]
        sub_german = ["als" if once else conjunction[1], *german_final(sub)]
        if self._chance(0.4):
            return [*sub_english, ",", *english(main)], [*sub_german, ",", *german(main, [])]
        first, second = self._statement(main)
        return [*first, *sub_english], [*second, ",", *sub_german]

    def _reported(self) -> tuple[Words, Words]:
        first, second = self._one_of(_MATRIX)
        clause = self._clause(rich=True)
        return [first, "that", *english(clause)], [second, ",", "dass", *german_final(clause)]

    def _two_statements(self) -> tuple[Words, Words]:
        one, other = self._statement(self._clause()), self._statement(self._clause())
        if self._chance(0.5):
            return [*one[0], "and", *other[0]], [*one[1], "und", *other[1]]
        return [*one[0], ",", "but", *other[0]], [*one[1], ",", "aber", *other[1]]

    def _question(self) -> tuple[Words, Words]:
        clause = self._clause(rich=True)
        if self._chance(0.5):
            return english_question(clause), german(clause, [])
        first, second = self._one_of(_WH if clause.verb else _WH[:1])
        if first == "where":
            clause = replace(clause, place=None)
        if first == "when":
            clause = replace(clause, time=None)
        if first == "where" and clause.verb is not None and clause.verb.frame == "way":
            second = "wohin"
        return [first, *english_question(clause)], [second, *german(clause, [])]

    def _clause(self, *, rich: bool = False, tenses: Sequence[str] = ()) -> Clause:
        """A clause; a rich one may hold relative clauses, and more often what is left out else."""
        tense = self._one_of(tenses) if tenses else self._tense()
        negated = self._chance(0.2)
        if self._chance(0.1):
            return self._being("past" if tense == "past" else "present", negated)
        verb = self._one_of(VERBS)
        subject = self._subject(rich, negated)
        dative = accusative = place = None
        if verb.frame in ("acc", "both"):
            accusative = self._object(verb.objects, subject, rich, negated, pronoun=verb.frame == "acc")
        if verb.frame in ("dat", "both"):
            kinds = verb.objects if verb.frame == "dat" else frozenset({"person"})
            dative = self._object(kinds, subject, rich and verb.frame == "dat", negated, pronoun=True)
        if verb.frame == "way":
            place = self._way()
        elif self._chance(0.5 if verb.frame == "none" else 0.12):
            place = self._where(verb)
        time = None
        if self._chance(0.45 if rich else 0.3):
            time = self._one_of(_TIMES[tense if tense in _TIMES else "future"])
        return Clause(subject, tense, verb, None, dative, accusative, place, time, negated)

    def _tense(self) -> str:
        number = self._random()
        if number < 0.38:
            return "present"
        return "past" if number < 0.68 else self._one_of(tuple(MODALS))

    def _being(self, tense: str, negated: bool) -> Clause:
        phrase = self._noun_phrase(self._one_of(NOUNS), negated)
        time = self._one_of(_TIMES[tense]) if self._chance(0.3) else None
        return Clause(phrase, tense, None, self._one_of(_FITTING[phrase.noun]), time=time, negated=negated)

    def _subject(self, rich: bool, negated: bool) -> Phrase:
        if self._chance(0.3):
            return self._one_of(PRONOUNS)
        kind = "person" if self._chance(0.8) else "animal"
        return self._noun_phrase(self._one_of(_BY_KIND[kind]), negated, relative=0.3 if rich else 0.0)

    def _object(self, kinds: frozenset[str], subject: Phrase, rich: bool, negated: bool, *, pronoun: bool) -> Phrase:
        if pronoun and "person" in kinds and self._chance(0.25):
            others = [p for p in PRONOUNS if p.person != subject.person and p.person.number != subject.person.number]
            return self._one_of(others)
        nouns = _BY_KIND[self._one_of(sorted(kinds))]
        return self._noun_phrase(self._one_of(nouns), negated, relative=0.15 if rich else 0.0)

    def _noun_phrase(self, noun: Noun, negated: bool, relative: float = 0.0) -> NounPhrase:
        """A noun phrase; if negated, without determiners that would make the negation ambiguous."""
        adjective: Adjective | None = self._one_of(_FITTING[noun]) if self._chance(0.45) else None
        number, plural, count = self._random(), self._chance(0.25), 0
        if number < 0.4:
            determiner = "the"
        elif number < 0.6:
            determiner, plural = "a", False
        elif number < 0.78:
            determiner = self._one_of(_POSSESSIVES)
        elif number < 0.87 or negated:
            determiner = "this"
        elif number < 0.91:
            determiner, plural = "every", False
        else:
            determiner, plural = "number", True
            count = 2 + int(self._random() * 11) if self._chance(0.6) else 20 + int(self._random() * 80)
        phrase = NounPhrase(noun, determiner, adjective, plural, count)
        if relative and self._chance(relative):
            return replace(phrase, relative=self._relative(phrase))
        return phrase

    def _relative(self, phrase: NounPhrase) -> tuple[Words, Words]:
        """A relative clause, with the phrase as its subject or its accusative object."""
        slot = "p" if phrase.plural else phrase.noun.gender
        pronoun = "who" if "person" in phrase.noun.kinds else "that"
        tense = self._one_of(("present", "past", "can", "want"))
        if phrase.noun.kinds & {"person", "animal"} and self._chance(0.6):
            verb = self._one_of([v for v in VERBS if v.frame in ("acc", "none")])
            other = self._object(verb.objects, phrase, False, False, pronoun=False) if verb.frame == "acc" else None
            clause = Clause(phrase, tense, verb, accusative=other)
            return [pronoun, *english(clause, subject=False)], [
                ",", definite_article("nom", slot), *german_final(clause, subject=False), ",",
            ]  # fmt: skip
        verb = self._one_of([v for v in VERBS if v.frame == "acc" and v.objects & phrase.noun.kinds])
        clause = Clause(self._one_of(PRONOUNS), tense, verb)
        words = [",", definite_article("acc", slot), *german_final(clause), ","]
        return ["that", *english(clause)], words

    def _way(self) -> tuple[Words, Words]:
        noun = self._one_of(_BY_KIND["place"])
        phrase = NounPhrase(noun, self._one_of(("the", "the", "the", "my", "this")), self._place_adjective(noun))
        return prepositional(self._one_of(("to", "into", "from", "through")), phrase)

    def _where(self, verb: Verb) -> tuple[Words, Words]:
        if self._chance(0.25):
            pronoun: Pronoun = self._one_of(PRONOUNS)
            return prepositional("without" if verb.frame == "both" else self._one_of(("with", "for")), pronoun)
        noun = self._one_of(_BY_KIND["place"])
        phrase = NounPhrase(noun, self._one_of(("the", "the", "our", "this", "a")), self._place_adjective(noun))
        return prepositional(self._one_of(("in", "in", "behind", "next to", "in front of")), phrase)

    def _place_adjective(self, noun: Noun) -> Adjective | None:
        return self._one_of(_FITTING[noun]) if self._chance(0.4) else None


def _written(words: Words, end: str) -> str:
    """Words as a sentence: no double commas or comma before the end, a capital letter, the end mark."""
    text = ""
    for word in " ".join(words).split():
        if word == ",":
            text += "" if text.endswith(",") else ","
        else:
            text += f" {word}" if text else word
    return text[0].upper() + text[1:].removesuffix(",") + end


def pairs(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """`count` pairs, every English and every German sentence only once; the same on every machine."""
    speaker = Speaker(seed)
    seen: set[str] = set()
    while count > 0:
        english_text, german_text = speaker.sentence()
        if english_text not in seen and german_text not in seen:
            seen |= {english_text, german_text}
            count -= 1
            yield english_text, german_text
