"""Clauses in both languages: verb forms, word order, negation. Draws nothing: all choices are in `Clause`."""

from dataclasses import dataclass, field

from lth_core.tasks.translation.grammar.lexicon import Adjective, Verb
from lth_core.tasks.translation.grammar.phrases import NounPhrase, Person, Pronoun, Words

Phrase = NounPhrase | Pronoun


@dataclass(frozen=True)
class Modal:
    """A modal verb, or the future: English with and without negation (third person if it differs), German forms."""

    english: tuple[str, str]
    negated: tuple[str, str]
    singular: tuple[str, str, str]
    plural: str


MODALS = {
    "can": Modal(("can", "can"), ("cannot", "cannot"), ("kann", "kannst", "kann"), "können"),
    "must": Modal(("must", "must"), ("do not have to", "does not have to"), ("muss", "musst", "muss"), "müssen"),
    "want": Modal(("want to", "wants to"), ("do not want to", "does not want to"), ("will", "willst", "will"),
                  "wollen"),
    "may": Modal(("may", "may"), ("must not", "must not"), ("darf", "darfst", "darf"), "dürfen"),
    "should": Modal(("should", "should"), ("should not", "should not"), ("soll", "sollst", "soll"), "sollen"),
    "will": Modal(("will", "will"), ("will not", "will not"), ("werde", "wirst", "wird"), "werden"),
}  # fmt: skip
_HAVE = {"haben": (("habe", "hast", "hat"), "haben"), "sein": (("bin", "bist", "ist"), "sind")}
_PARTICLES = {"up", "along", "on", "away"}
_WAS = (("war", "warst", "war"), "waren")


@dataclass(frozen=True)
class Clause:
    """A clause's content, without word order. tense: present, past, or a modal's name. verb None: to be `state`."""

    subject: Phrase
    tense: str
    verb: Verb | None = None
    state: Adjective | None = None
    dative: Phrase | None = None
    accusative: Phrase | None = None
    place: tuple[Words, Words] | None = None
    time: tuple[str, str] | None = None
    negated: bool = False


@dataclass(frozen=True)
class _Parts:
    """A German clause in parts: the finite verb, the middle field, and the words at the end."""

    subject: Words
    finite: str
    prefix: str
    middle: Words
    closing: Words = field(default_factory=list)


def _german_finite(forms: tuple[tuple[str, str, str], str], person: Person) -> str:
    return forms[1] if person.plural else forms[0][person.number - 1]


def _by_person(forms: tuple[str, str], person: Person) -> str:
    return forms[person.number == 3 and not person.plural]


def english(clause: Clause, *, subject: bool = True) -> Words:
    """The statement; without its subject for a relative clause."""
    opening = _english_subject(clause) if subject else []
    return [*opening, *_english_predicate(clause, _english_verb(clause))]


def english_question(clause: Clause) -> Words:
    """The question, with an auxiliary before the subject."""
    person = clause.subject.person
    if clause.verb is None:
        first, rest = _be(clause.tense, person), (["not"] if clause.negated else [])
        return [first, *_english_subject(clause), *rest, *_english_rest(clause)]
    not_ = ["not"] if clause.negated else []
    if clause.tense == "want":
        first, rest = _by_person(("do", "does"), person), [*not_, "want to"]
    elif clause.tense in MODALS:
        first, rest = MODALS[clause.tense].english[0], not_
    else:
        first = "did" if clause.tense == "past" else _by_person(("do", "does"), person)
        rest = not_
    return [first, *_english_subject(clause), *_english_predicate(clause, [*rest, clause.verb.base])]


def _english_predicate(clause: Clause, verb: Words) -> Words:
    """The verb and what follows; a pronoun comes before a verb's particle (picks him up)."""
    rest = _english_rest(clause)
    before, _, particle = verb[-1].rpartition(" ")
    if isinstance(clause.accusative, Pronoun) and before and particle in _PARTICLES:
        return [*verb[:-1], before, rest[0], particle, *rest[1:]]
    return [*verb, *rest]


def _english_subject(clause: Clause) -> Words:
    return [clause.subject.english] if isinstance(clause.subject, Pronoun) else clause.subject.english()


def _be(tense: str, person: Person) -> str:
    if tense == "past":
        return "were" if person.plural or person.number == 2 else "was"
    return "are" if person.plural or person.number == 2 else ("am" if person.number == 1 else "is")


def _english_verb(clause: Clause) -> Words:
    person, verb, tense = clause.subject.person, clause.verb, clause.tense
    if verb is None:
        return [_be(tense, person), *(["not"] if clause.negated else [])]
    if tense in MODALS:
        modal = MODALS[tense]
        return [_by_person(modal.negated if clause.negated else modal.english, person), verb.base]
    if clause.negated:
        return ["did not" if tense == "past" else _by_person(("do not", "does not"), person), verb.base]
    return [verb.past if tense == "past" else _by_person((verb.base, verb.third), person)]


def _english_rest(clause: Clause) -> Words:
    if clause.verb is None and clause.state is not None:
        rest = [clause.state.english]
    else:
        rest = [word for phrase in (clause.dative, clause.accusative) for word in _english_object(phrase)]
    place = clause.place[0] if clause.place else []
    return [*rest, *place, *([clause.time[0]] if clause.time else [])]


def _english_object(phrase: Phrase | None) -> Words:
    if phrase is None:
        return []
    return [phrase.english_object] if isinstance(phrase, Pronoun) else phrase.english()


def _negates_object(clause: Clause) -> bool:
    """Whether a German object carries the negation: an indefinite one takes kein- instead of ein-."""
    return clause.negated and any(
        isinstance(phrase, NounPhrase) and phrase.determiner == "a" for phrase in (clause.dative, clause.accusative)
    )


def _german_object(phrase: Phrase | None, case: str, negated: bool) -> Words:
    if phrase is None:
        return []
    if negated and isinstance(phrase, NounPhrase) and phrase.determiner == "a":
        phrase = NounPhrase(phrase.noun, "no", phrase.adjective, relative=phrase.relative)
    return phrase.german(case)


def _parts(clause: Clause) -> _Parts:
    """Middle field: pronouns (accusative first), time, dative, accusative, nicht, place."""
    person, verb = clause.subject.person, clause.verb
    # Only one object takes the negation: the accusative if it is indefinite.
    in_accusative = isinstance(clause.accusative, NounPhrase) and clause.accusative.determiner == "a"
    objects = [
        (clause.accusative, _german_object(clause.accusative, "acc", clause.negated)),
        (clause.dative, _german_object(clause.dative, "dat", clause.negated and not in_accusative)),
    ]
    pronouns = [word for phrase, words in objects if isinstance(phrase, Pronoun) for word in words]
    nouns = [word for phrase, words in reversed(objects) if isinstance(phrase, NounPhrase) for word in words]
    nicht = ["nicht"] if clause.negated and not _negates_object(clause) else []
    when = [clause.time[1]] if clause.time else []
    place = clause.place[1] if clause.place else []
    middle = [*pronouns, *when, *nouns, *nicht, *place]
    subject = clause.subject.german("nom")
    if verb is None:
        forms = _WAS if clause.tense == "past" else _HAVE["sein"]
        state = [clause.state.german] if clause.state else []
        return _Parts(subject, _german_finite(forms, person), "", [*middle, *state])
    if clause.tense in MODALS:
        modal = MODALS[clause.tense]
        finite = _german_finite((modal.singular, modal.plural), person)
        return _Parts(subject, finite, "", middle, [verb.infinitive])
    if clause.tense == "past":
        return _Parts(subject, _german_finite(_HAVE[verb.auxiliary], person), "", middle, [verb.participle])
    plain = verb.infinitive.removeprefix(verb.prefix)
    return _Parts(subject, _german_finite((verb.singular, plain), person), verb.prefix, middle)


def german(clause: Clause, front: Words | None = None) -> Words:
    """The statement, with the finite verb second: after `front` if given, else after the subject.

    An empty `front` gives the question, with the finite verb first.
    """
    parts = _parts(clause)
    rest = [*parts.middle, *([parts.prefix] if parts.prefix else []), *parts.closing]
    if front is None:
        return [*parts.subject, parts.finite, *rest]
    return [*front, parts.finite, *parts.subject, *rest]


def german_final(clause: Clause, *, subject: bool = True) -> Words:
    """The subordinate clause, with the finite verb last and its prefix joined; without its subject if relative."""
    parts = _parts(clause)
    opening = parts.subject if subject else []
    return [*opening, *parts.middle, *parts.closing, parts.prefix + parts.finite]
