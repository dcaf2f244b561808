"""Noun phrases in both languages: determiners, adjective endings, pronouns, prepositions.

A phrase is a list of words, in German for a given case. Commas are words of their own.
"""

from dataclasses import dataclass

from lth_core.tasks.translation.grammar.lexicon import Adjective, Noun, number_words

Words = list[str]

_DER = {
    "nom": {"m": "er", "f": "e", "n": "es", "p": "e"},
    "acc": {"m": "en", "f": "e", "n": "es", "p": "e"},
    "dat": {"m": "em", "f": "er", "n": "em", "p": "en"},
}
"""Endings of determiners, and of adjectives if no determiner shows the case."""
_ARTICLE = {"er": "der", "e": "die", "es": "das", "en": "den", "em": "dem"}
_DETERMINERS = {"this": "dies", "every": "jed"}
_EIN_WORDS = {
    "a": "ein", "no": "kein", "my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser", "their": "ihr",
}  # fmt: skip


def definite_article(case: str, slot: str) -> str:
    """der, die, das ...: slot is a gender, or p for the plural. Relative pronouns too, but for denen."""
    if case == "dat" and slot == "f":
        return "der"
    return _ARTICLE[_DER[case][slot]]


@dataclass(frozen=True)
class Person:
    """The person (1 to 3) and number with which a verb agrees."""

    number: int
    plural: bool


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun, subject or object."""

    person: Person
    english: str
    english_object: str
    nom: str
    acc: str
    dat: str

    def german(self, case: str) -> Words:
        """The form for nom, acc or dat."""
        return [{"nom": self.nom, "acc": self.acc, "dat": self.dat}[case]]


PRONOUNS = (
    Pronoun(Person(1, False), "I", "me", "ich", "mich", "mir"),
    Pronoun(Person(2, False), "you", "you", "du", "dich", "dir"),
    Pronoun(Person(3, False), "he", "him", "er", "ihn", "ihm"),
    Pronoun(Person(3, False), "she", "her", "sie", "sie", "ihr"),
    Pronoun(Person(1, True), "we", "us", "wir", "uns", "uns"),
    Pronoun(Person(3, True), "they", "them", "sie", "sie", "ihnen"),
)


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its determiner, adjectives and relative clause.

    determiner: the, a, this, every, a possessive, no, or `number` with `count` (then plural). relative: the clause's
    words in English and German, placed after the noun.
    """

    noun: Noun
    determiner: str
    adjective: Adjective | None = None
    plural: bool = False
    count: int = 0
    relative: tuple[Words, Words] | None = None

    @property
    def person(self) -> Person:
        """Third person, singular or plural."""
        return Person(3, self.plural)

    def english(self) -> Words:
        """The phrase, the same in every case."""
        noun = self.noun.english_plural if self.plural else self.noun.english
        rest = [self.adjective.english, noun] if self.adjective else [noun]
        word = self.determiner
        if word == "number":
            word = number_words(self.count)[0]
        elif word == "a" and self.plural:
            raise ValueError("no plural of an indefinite article")
        elif word == "a" and rest[0][0] in "aeiou":
            word = "an"
        elif word == "this" and self.plural:
            word = "these"
        return [word, *rest, *(self.relative[0] if self.relative else [])]

    def german(self, case: str) -> Words:
        """The phrase in a case."""
        slot = "p" if self.plural else self.noun.gender
        words = [self._determiner(case, slot)]
        if self.adjective:
            words.append(self.adjective.stem + self._adjective_ending(case, slot))
        words.append(self.noun.german_form(case, self.plural))
        return [*words, *(self.relative[1] if self.relative else [])]

    def _determiner(self, case: str, slot: str) -> str:
        word = self.determiner
        if word == "number":
            return number_words(self.count)[1]
        if word == "the":
            return definite_article(case, slot)
        if word in _DETERMINERS:
            return _DETERMINERS[word] + _DER[case][slot]
        bare = (slot in "mn" and case == "nom") or (slot == "n" and case == "acc")
        return _EIN_WORDS[word] + ("" if bare else _DER[case][slot])

    def _adjective_ending(self, case: str, slot: str) -> str:
        """Strong if the determiner shows no case, else weak: -e in a few places, -en in the rest."""
        bare = self.determiner in _EIN_WORDS and ((slot in "mn" and case == "nom") or (slot == "n" and case == "acc"))
        if self.determiner == "number" or bare:
            return _DER[case][slot]
        short = slot != "p" and (case == "nom" or (case == "acc" and slot in "fn"))
        return "e" if short else "en"


PREPOSITIONS = {
    "in": ("in", "dat"), "behind": ("hinter", "dat"), "next to": ("neben", "dat"), "in front of": ("vor", "dat"),
    "with": ("mit", "dat"), "for": ("für", "acc"), "without": ("ohne", "acc"), "to": ("zu", "dat"),
    "into": ("in", "acc"), "from": ("aus", "dat"), "through": ("durch", "acc"),
}  # fmt: skip
"""German preposition and case by English preposition: place, company, direction."""
_CONTRACTED = {
    ("in", "dem"): "im", ("in", "das"): "ins", ("zu", "dem"): "zum", ("zu", "der"): "zur",
}  # fmt: skip


def prepositional(english: str, phrase: "NounPhrase | Pronoun") -> tuple[Words, Words]:
    """Preposition and phrase in both languages; German contracts them if it has a word for it (im, zur)."""
    preposition, case = PREPOSITIONS[english]
    german = phrase.german(case)
    if isinstance(phrase, Pronoun):
        return [english, phrase.english_object], [preposition, *german]
    melted = _CONTRACTED.get((preposition, german[0])) if phrase.determiner == "the" else None
    words = [melted, *german[1:]] if melted else [preposition, *german]
    return [english, *phrase.english()], words
