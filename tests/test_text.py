"""Foreign text at the boundary."""

import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lth_core.text import clean, did_you_mean, either, is_name, megabytes, one_line, significant

nasty = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x9b\x9d\x90\x07\x9c\x00\x7f[]0;mHJ\\\r\n\t\u202e\u2066\u200b\u2028\ufeff\ud800"),
    ),
    max_size=80,
)


@given(nasty)
@example("\x1b]0;title\x07x")
@example("\x1b\x1b[31m[31m")
@example("\x1b[\x1b[31m31m")
def test_no_control_no_bidi_and_no_escape_survives(text: str) -> None:
    for c in clean(text):
        assert c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}, repr(c)
    assert not set(one_line(text)) & set("\n\t\r\x1b")


@given(nasty)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=60))
def test_ordinary_text_of_any_language_is_left_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r\x1b\\after", "after"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\x9b31mx", "31mx"),
        ("a\x00b\rc\x7f", "abc"),
        ("line\nnext\ttab", "line\nnext\ttab"),
    ],
)
def test_known_sequences_are_taken_out_whole(text: str, left: str) -> None:
    assert clean(text) == left


def test_the_limit_holds_and_anything_can_be_cleaned() -> None:
    assert clean("x" * 100, 7) == "x" * 7
    assert clean(ValueError("a\x1b[2Jb")) == "ab"
    assert one_line("  a\n\n b\t c ") == "a b c"


def test_hostile_text_is_cleaned_in_no_time() -> None:
    start = time.thread_time()
    clean("\x9d" * 15_990 + "\x1bX")
    assert time.thread_time() - start < 1


@given(nasty)
def test_a_name_can_become_a_part_of_a_path(text: str) -> None:
    if is_name(text):
        assert text.isascii()
        assert not set(text) & set("/\\\x00 $`\n")
        assert text[0] not in ".-_"
        assert ".." not in text
        assert len(text) <= 80


@pytest.mark.parametrize("name", ["a", "CartPole-v1", "x_1.5", "a" * 80, "0"])
def test_names_are_accepted(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-rf", ".hidden", "a..b", "a b", "a\n", "ü", "a" * 81, "$(x)"])
def test_what_is_no_name_is_refused(name: str) -> None:
    assert not is_name(name)


def test_the_nearest_known_word_is_suggested() -> None:
    assert did_you_mean("lenght", ["length", "rounds"]) == ', did you mean "length"?'
    assert did_you_mean("zzz", ["length"]) == ""


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [
        (-1617.4, 3, "-1617"), (999.6, 3, "1000"), (999.4, 3, "999"), (12345.6, 4, "12346"), (0.012345, 3, "0.0123"),
        (3e9, 3, "3e+09"), (26.25, 4, "26.25"), (0.0, 3, "0"),
    ],
)  # fmt: skip
def test_numbers_keep_all_digits_before_the_point(value: float, digits: int, shown: str) -> None:
    assert significant(value, digits) == shown
    assert significant(abs(value), digits, signed=True) == f"+{shown.lstrip('-')}"


def test_the_last_bit_does_not_decide_how_a_tie_is_rounded() -> None:
    assert significant(20.174999999999997, 4) == significant(20.175, 4) == "20.18"


def test_a_list_of_choices_reads_as_one() -> None:
    words = ("queued", "running", "paused")
    assert [either(words[:n]) for n in (1, 2, 3)] == ["queued", "queued or running", "queued, running or paused"]


def test_few_bytes_are_not_none() -> None:
    assert [megabytes(n) for n in (10, 66_690, 999_000, 999_001, 1_487_000_000)] == [
        "1 kB", "67 kB", "999 kB", "1 MB", "1,487 MB",
    ]  # fmt: skip
