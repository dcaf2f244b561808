"""The built-in English-German pairs: deterministic, distinct, and German that agrees, against written tables."""

import hashlib
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_core.tasks.translation.grammar.clauses import Clause, english, english_question, german, german_final
from lth_core.tasks.translation.grammar.lexicon import ADJECTIVES, NOUNS, VERBS, number_words
from lth_core.tasks.translation.grammar.phrases import PRONOUNS, NounPhrase, prepositional
from lth_core.tasks.translation.grammar.sentences import pairs

PAIRS = list(pairs(4000))
VERB = {verb.base: verb for verb in VERBS}
NOUN = {noun.english: noun for noun in NOUNS}
ADJECTIVE = {adjective.english: adjective for adjective in ADJECTIVES}

# Written out by hand, ending of determiner and adjective by gender and case: the grammar computes them by rule.
DER_WORDS = """
m nom der alte | m acc den alten | m dat dem alten
f nom die alte | f acc die alte | f dat der alten
n nom das alte | n acc das alte | n dat dem alten
p nom die alten | p acc die alten | p dat den alten
"""
EIN_WORDS = """
m nom mein alter | m acc meinen alten | m dat meinem alten
f nom meine alte | f acc meine alte | f dat meiner alten
n nom mein altes | n acc mein altes | n dat meinem alten
p nom meine alten | p acc meine alten | p dat meinen alten
"""
NUMBERS = "p nom drei alte | p acc drei alte | p dat drei alten"
EXAMPLES = {"m": "Hund", "f": "Katze", "n": "Pferd"}


def _table(text: str) -> list[tuple[str, str, str, str]]:
    cells = re.split(r"[|\n]", text.strip())
    return [(a, b, c, d) for cell in cells if cell.strip() for a, b, c, d in [cell.split()]]


@pytest.mark.parametrize(("determiner", "table"), [("the", DER_WORDS), ("my", EIN_WORDS), ("number", NUMBERS)])
def test_determiners_and_adjectives_agree_with_gender_number_and_case(determiner: str, table: str) -> None:
    for slot, case, first, second in _table(table):
        for noun in NOUNS:
            if slot in ("p", noun.gender):
                phrase = NounPhrase(noun, determiner, ADJECTIVE["old"], slot == "p", 3)
                assert phrase.german(case)[:2] == [first, second], (noun.german, case)


def test_every_gender_is_among_the_nouns() -> None:
    assert {noun.gender for noun in NOUNS} == {"m", "f", "n"}


def test_weak_nouns_and_dative_plurals_take_their_endings() -> None:
    assert NOUN["student"].german_form("nom", False) == "Student"
    assert NOUN["student"].german_form("acc", False) == "Studenten"
    assert NOUN["dog"].german_form("dat", True) == "Hunden"
    assert NOUN["office"].german_form("dat", True) == "Büros"
    assert NOUN["queen"].german_form("dat", True) == "Königinnen"


def _clause(**fields: object) -> Clause:
    subject = NounPhrase(NOUN["man"], "the")
    return Clause(**{"subject": subject, "tense": "present", **fields})  # type: ignore[arg-type]


THE_DOG, A_DOG = NounPhrase(NOUN["dog"], "the"), NounPhrase(NOUN["dog"], "a")
TODAY = ("today", "heute")
WORD_ORDER = [
    (_clause(verb=VERB["see"], accusative=THE_DOG), "the man sees the dog", "der Mann sieht den Hund"),
    (_clause(verb=VERB["see"], accusative=THE_DOG, tense="past"), "the man saw the dog",
     "der Mann hat den Hund gesehen"),
    (_clause(verb=VERB["go"], tense="past", place=prepositional("into", NounPhrase(NOUN["house"], "the"))),
     "the man went into the house", "der Mann ist ins Haus gegangen"),
    (_clause(verb=VERB["see"], accusative=A_DOG, negated=True), "the man does not see a dog",
     "der Mann sieht keinen Hund"),
    (_clause(verb=VERB["see"], accusative=THE_DOG, negated=True, tense="must", time=TODAY),
     "the man does not have to see the dog today", "der Mann muss heute den Hund nicht sehen"),
    (_clause(verb=VERB["help"], dative=NounPhrase(NOUN["woman"], "the")), "the man helps the woman",
     "der Mann hilft der Frau"),
    (_clause(verb=VERB["give"], dative=NounPhrase(NOUN["child"], "a"), accusative=NounPhrase(NOUN["apple"], "the")),
     "the man gives a child the apple", "der Mann gibt einem Kind den Apfel"),
    (_clause(verb=VERB["pick up"], accusative=PRONOUNS[3], tense="past"), "the man picked her up",
     "der Mann hat sie abgeholt"),
    (_clause(verb=VERB["get up"], time=TODAY), "the man gets up today", "der Mann steht heute auf"),
    (_clause(state=ADJECTIVE["expensive"], subject=NounPhrase(NOUN["book"], "this", plural=True), tense="past"),
     "these books were expensive", "diese Bücher waren teuer"),
]  # fmt: skip


@pytest.mark.parametrize(("clause", "first", "second"), WORD_ORDER, ids=lambda v: v if isinstance(v, str) else "")
def test_statements_say_the_same_in_both_languages(clause: Clause, first: str, second: str) -> None:
    assert " ".join(english(clause)) == first
    assert " ".join(german(clause)) == second


def test_subordinate_clauses_end_with_the_verb_and_questions_begin_with_it() -> None:
    opens = _clause(verb=VERB["open"], accusative=NounPhrase(NOUN["box"], "the", ADJECTIVE["heavy"]))
    assert " ".join(german_final(opens)) == "der Mann die schwere Kiste aufmacht"
    assert " ".join(german(opens)) == "der Mann macht die schwere Kiste auf"
    assert " ".join(german(opens, [])) == "macht der Mann die schwere Kiste auf"
    assert " ".join(german(opens, ["heute"])) == "heute macht der Mann die schwere Kiste auf"
    assert " ".join(english_question(opens)) == "does the man open the heavy box"


@given(st.sampled_from(VERBS), st.sampled_from(PRONOUNS), st.sampled_from(["present", "past", "can", "will"]))
def test_a_bracket_closes_in_main_clauses_and_joins_in_subordinate_ones(verb, subject, tense) -> None:
    clause = Clause(subject, tense, verb)
    main, final = german(clause), german_final(clause)
    closing = {"past": [verb.participle], "present": [verb.prefix] if verb.prefix else []}.get(tense, [verb.infinitive])
    assert main[2:] == closing
    assert final[0] == main[0]
    assert final[-1] == (verb.prefix if tense == "present" else "") + main[1]
    assert sorted("".join(main)) == sorted("".join(final))


def test_numbers_turn_round() -> None:
    assert number_words(21) == ("twenty-one", "einundzwanzig")
    assert number_words(64) == ("sixty-four", "vierundsechzig")
    assert number_words(70) == ("seventy", "siebzig")


# Over whole sentences: every article with its noun is a form that the noun's gender has in some case.
ARTICLES = {
    "m": {"der": "Ns", "den": "As", "dem": "Ds"},
    "f": {"die": "NsAs", "der": "Ds"},
    "n": {"das": "NsAs", "dem": "Ds"},
}
FORMS = {
    form: {(n.gender, plural) for n in NOUNS for plural in (False, True) for case in ("nom", "acc", "dat")
           if n.german_form(case, plural) == form}
    for noun in NOUNS for form in {noun.german, noun.german_plural, noun.german_form("dat", True)}
}  # fmt: skip


def test_in_whole_sentences_articles_fit_their_nouns() -> None:
    checked = 0
    for _, text in PAIRS:
        words = re.findall(r"\w+", text)
        for article, noun in itertools.pairwise(words):
            if article.lower() in ("der", "die", "das", "den", "dem") and noun in FORMS and article.islower():
                singular = any(article in ARTICLES[gender] for gender, plural in FORMS[noun] if not plural)
                plural = article in ("die", "den") and any(plural for _, plural in FORMS[noun])
                assert singular or plural, text
                checked += 1
    assert checked > 1000


AUXILIARIES = """
bin bist ist sind war warst waren habe hast hat haben werde wirst wird werden kann kannst können muss musst müssen
will willst wollen darf darfst dürfen soll sollst sollen
"""


def test_in_whole_sentences_clauses_after_conjunctions_end_with_a_finite_verb() -> None:
    finite = {form for v in VERBS for form in (*v.singular, v.infinitive, *(v.prefix + f for f in v.singular))}
    finite |= set(re.findall(r"\w+", AUXILIARIES))
    checked = 0
    for _, text in PAIRS:
        if "," in text and text.count(",") == 1 and re.search(r", (weil|obwohl|wenn|während|dass|als) ", text):
            checked += 1
            assert text[:-1].split()[-1] in finite, text
    assert checked > 500


def test_the_corpus_is_distinct_and_the_same_every_time() -> None:
    assert list(pairs(4000)) == PAIRS
    assert len({e for e, _ in PAIRS}) == len({g for _, g in PAIRS}) == 4000
    # Another digest here is another corpus: results on it can no longer be compared.
    assert hashlib.sha256("\n".join(map("\t".join, PAIRS)).encode()).hexdigest()[:16] == "578882495b15c329"


def test_the_corpus_has_sentences_of_ordinary_length() -> None:
    lengths = [len(re.findall(r"\w+|[.,?]", text)) for pair in PAIRS for text in pair]
    assert 11 < sum(lengths) / len(lengths) < 15
    assert max(lengths) < 50
