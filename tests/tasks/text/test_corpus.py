"""Corpora: what becomes a token, converted once, refused in a sentence where it cannot be read."""

import gzip
import json
import multiprocessing
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.settings.texts import PARTS, LanguageModelTask
from lth_core.tasks.text import cache, corpus, hub, prose
from lth_core.tasks.text.tokenizers import Subwords, Words, digest
from tests.text_data import needs_wikitext, wikitext

PLAIN = {"train": "the cat sat\n\nthe dog ran off\n", "valid": "the cat ran\n", "test": "a dog sat\n"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""Variables under which Python takes text files for ASCII."""


def files(folder: Path, **texts: str | bytes) -> dict[str, Any]:
    paths = {}
    for part, text in {**PLAIN, **texts}.items():
        path = folder / f"{part}.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        paths[part] = str(path)
    return {"source": "files", **paths}


def spelled(found: corpus.Corpus, own_cache: Path, part: str = "train") -> str:
    (card,) = (own_cache / "text").glob("*/tokenizer.json")
    words = json.loads(card.read_text())["words"]
    return " ".join(words[number] for number in getattr(found, part))


def test_every_line_ends_with_a_token_also_an_empty_one(tmp_path: Path, own_cache: Path) -> None:
    found = corpus.load(LanguageModelTask(**files(tmp_path)))
    assert spelled(found, own_cache) == "the cat sat <eos> <eos> the dog ran off <eos>"
    # Words of all three parts, as published perplexities count them; nothing is unknown, so there is no <unk>.
    assert found.vocabulary == len({*["the", "cat", "sat", "dog", "ran", "off", "a"], "<eos>"})


def test_what_a_vocabulary_lacks_is_unknown_and_counted(tmp_path: Path, own_cache: Path) -> None:
    rare = {"train": "a a a b b c c d d e e f f g g h i\n", "valid": "a h\n", "test": "i i x\n"}
    found = corpus.load(LanguageModelTask(**files(tmp_path, **rare), vocabulary=8))
    # Two places are <eos>'s and <unk>'s; of equally frequent words the first by spelling stay.
    assert spelled(found, own_cache) == "a a a b b c c d d e e <unk> <unk> <unk> <unk> <unk> i <eos>"
    assert found.vocabulary == 8 and found.unknown == {"train": 5, "valid": 1, "test": 1}
    assert "unknown" in found.summary


def test_words_below_the_minimum_count_are_unknown(tmp_path: Path, own_cache: Path) -> None:
    found = corpus.load(LanguageModelTask(**files(tmp_path), minimum_count=2))
    assert spelled(found, own_cache) == "the cat sat <eos> <eos> the dog ran <unk> <eos>"
    assert found.unknown == {"train": 1, "valid": 0, "test": 1}


def test_gzipped_files_give_the_same_tokens(tmp_path: Path) -> None:
    plain = files(tmp_path)
    packed = {"source": "files"}
    for part, text in PLAIN.items():
        packed[part] = str(tmp_path / f"{part}.gz")
        Path(packed[part]).write_bytes(gzip.compress(text.encode()))
    one, other = corpus.load(LanguageModelTask(**plain)), corpus.load(LanguageModelTask(**packed))
    assert one.digest == other.digest and np.array_equal(one.train, other.train)


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_no_text(packed: bool, tmp_path: Path, own_cache: Path) -> None:
    marked = ("\ufeff" + PLAIN["train"] + "\ufeffs\n").encode()
    fields = files(tmp_path)
    fields["train"] = str(tmp_path / ("marked.gz" if packed else "marked.txt"))
    Path(fields["train"]).write_bytes(gzip.compress(marked) if packed else marked)
    found = corpus.load(LanguageModelTask(**fields))
    # Within a file it is a character like others.
    assert spelled(found, own_cache) == "the cat sat <eos> <eos> the dog ran off <eos> \ufeffs <eos>"


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"valid": ""}, "task.valid = .*valid.txt: the file is empty"),
        ({"train": "gut\nfür\n".encode("latin-1")}, "line 2 is not UTF-8 text"),
    ],
)
def test_unreadable_files_are_refused_in_a_sentence(texts: dict[str, Any], said: str, tmp_path: Path) -> None:
    task = LanguageModelTask(**files(tmp_path, **texts))
    for read in (corpus.check, corpus.load):
        with pytest.raises(InputError, match=said):
            read(task)


def test_what_only_a_whole_reading_shows_is_refused_before_anything_is_queued(tmp_path: Path) -> None:
    fields = files(tmp_path, valid="\n \t\n\n", test=b"a line\n" * 300_000 + b"\xff\n")
    with pytest.raises(InputError, match=r"^task.valid = .*valid.txt: the file is blank: expected"):
        corpus.check(LanguageModelTask(**fields))
    Path(fields["valid"]).write_text("words\n")
    with pytest.raises(InputError, match=r"test.txt: line 300001 is not UTF-8 text"):
        corpus.check(LanguageModelTask(**fields))


def test_files_are_read_once_and_again_when_they_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(corpus, "check_text", lambda field, name: read.append(field))
    fields = files(tmp_path)
    for window in (3, 4):
        corpus.check(LanguageModelTask(**fields, window=window))
    assert len(read) == 3
    Path(fields["train"]).write_text("longer than before, and by far\n")
    corpus.check(LanguageModelTask(**fields))
    assert len(read) == 6
    corpus.load(LanguageModelTask(**fields, minimum_count=2))
    corpus.check(LanguageModelTask(**fields, minimum_count=2))
    assert len(read) == 6


def test_missing_and_cut_files_are_refused(tmp_path: Path) -> None:
    task = LanguageModelTask(**{**files(tmp_path), "test": str(tmp_path / "none.txt")})
    with pytest.raises(InputError, match=r"task.test = .*none.txt: No such file.*expected a text file"):
        corpus.check(task)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"word " * 9999)[:-20])
    with pytest.raises(InputError, match=r"cut.gz: after line"):
        corpus.load(LanguageModelTask(**{**files(tmp_path), "test": str(cut)}))


def test_a_file_that_changed_is_converted_anew(tmp_path: Path) -> None:
    fields = files(tmp_path)
    first = corpus.load(LanguageModelTask(**fields))
    Path(fields["train"]).write_text("another text altogether , longer\n")
    second = corpus.load(LanguageModelTask(**fields))
    assert first.digest != second.digest and len(second.train) == 6


def test_damaged_token_files_are_noticed_and_made_anew(tmp_path: Path, own_cache: Path) -> None:
    fields = files(tmp_path)
    first = corpus.load(LanguageModelTask(**fields))
    expected = np.array(first.train)
    (path,) = (own_cache / "text").glob("*/train.bin")
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)
    assert np.array_equal(corpus.load(LanguageModelTask(**fields)).train, expected)


def _load(task: LanguageModelTask) -> str:
    return corpus.load(task).digest


@pytest.mark.processes
def test_processes_that_want_a_corpus_at_once_convert_it_once(tmp_path: Path, own_cache: Path) -> None:
    task = LanguageModelTask(**files(tmp_path, train="some words here\n" * 20_000))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.map(_load, [task] * 4))) == 1
    assert [p.name for p in (own_cache / "text").iterdir() if not p.name.endswith(".lock")] == [
        cache.key(corpus._facts(task))
    ]


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path, own_cache: Path) -> None:
    with pytest.raises(InputError):
        corpus.load(LanguageModelTask(**files(tmp_path, test=b"\xff\xfe")))
    assert not [p for p in (own_cache / "text").iterdir() if not p.name.endswith(".lock")]


def test_token_files_are_mapped_not_read(tmp_path: Path) -> None:
    found = corpus.load(LanguageModelTask(**files(tmp_path)))
    assert isinstance(found.train, np.memmap) and not found.train.flags.writeable and found.train.dtype == np.uint16


def test_byte_pairs_are_exactly_as_many_as_asked_and_the_same_every_time() -> None:
    lines = [f"word{i % 37} and thing{i % 11}" for i in range(2000)]
    one, other = Subwords.fit(lines, 290), Subwords.fit(iter(lines), 290)
    assert one.size == 290 and digest(one) == digest(other)
    assert digest(one) != digest(Subwords.fit(lines, 289))
    (numbers,) = one.encode(["word1 né 漢", ""])
    assert numbers[-1] == numbers[-2] == one._eos  # each line's end
    said = r"task.vocabulary = 9000: byte-pair encoding .* gives (\d+) tokens at most: expected 257 to \1$"
    with pytest.raises(InputError, match=said):
        Subwords.fit(lines, 9000)


@given(st.lists(st.text("ab c\t", max_size=12), min_size=1, max_size=9), st.integers(8, 12), st.integers(1, 3))
def test_words_are_a_function_of_the_lines(lines: list[str], most: int, minimum: int) -> None:
    one = Words.fit(lines, most, minimum)
    assert one.size <= most and one.to_json() == Words.fit(reversed(lines), most, minimum).to_json()
    numbers = np.concatenate(list(one.encode(lines)))
    assert len(numbers) == sum(len(line.split()) + 1 for line in lines) and numbers.max() < one.size


@pytest.mark.thorough
def test_the_built_in_corpus_is_prose_each_paragraph_once() -> None:
    found = prose.lines()
    assert set(found) == set(PARTS)
    everything = [line for part in PARTS for line in found[part]]
    assert len(set(everything)) == len(everything)
    assert sum(len(line.split()) for line in found["train"]) > 100_000
    assert not [line for line in everything if ">>>" in line or "def _" in line]


def test_documents_decide_the_part(tmp_path: Path) -> None:
    said = "This sentence stands in module number {} and says nothing more than that."
    for number in range(200):
        (tmp_path / f"module{number}.py").write_text(f'"""{said.format(number)}\n\n    code = {number}\n"""\n')
    (tmp_path / "broken.py").write_text("def (:\n")
    found = prose.lines(tmp_path)
    assert sum(map(len, found.values())) == 200 and 2 <= len(found["valid"]) <= 30 and 2 <= len(found["test"]) <= 30
    assert not [line for part in found.values() for line in part if "code" in line]


@needs_wikitext
def test_wikitext_2_has_its_standard_vocabulary_and_sizes() -> None:
    found = corpus.load(LanguageModelTask(**wikitext()))
    assert (found.vocabulary, len(found.train), len(found.valid), len(found.test)) == (
        33_278, 2_088_628, 217_646, 245_569,
    )  # fmt: skip


def test_without_datasets_the_hub_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'"wikitext-2" needs the package datasets.*lth-workbench\[hub\]'):
        corpus.check(LanguageModelTask(source="wikitext-2"))


def test_a_data_set_that_cannot_be_had_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no\x1b[2J route")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=fail))
    with pytest.raises(InputError, match=r"cannot be loaded, neither from the hub nor its cache \(ConnectionError"):
        list(hub.lines("owner/name", "train"))


def test_a_data_set_is_loaded_once_and_then_needs_nothing_but_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)  # `datasets` takes a folder of this name for the data set
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = tmp_path / "someone" / "words"
    folder.mkdir(parents=True)
    for part, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        (folder / f"{name}.txt").write_text(PLAIN[part])
    own = corpus.load(LanguageModelTask(source="someone/words"))
    assert len(own.train) == 10
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "datasets", None)
    task = LanguageModelTask(source="someone/words")
    corpus.check(task)
    assert corpus.load(task).digest == own.digest


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"source": "files", "train": "a"}, "needs the fields train, valid and test"),
        ({"train": "a"}, 'accepted beside source = "files" only'),
        ({"source": "wikitext2"}, 'did you mean "wikitext-2"'),
        ({"source": "../../etc/passwd"}, "expected one of builtin"),
        ({"tokenizer": "bpe"}, "needs vocabulary, 257"),
        ({"tokenizer": "checkpoint"}, "go together"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LanguageModelTask(**fields)


@pytest.mark.processes
def test_a_corpus_is_converted_in_any_locale(tmp_path: Path) -> None:
    task = LanguageModelTask(tokenizer="bpe", vocabulary=270, **files(tmp_path, train="Die Tür fällt zu. " * 9))
    code = (
        "import sys; from lth_core.tasks.text import corpus; from lth_core.settings.texts import LanguageModelTask\n"
        "print(corpus.load(LanguageModelTask.model_validate_json(sys.argv[1])).summary)"
    )
    command = [sys.executable, "-c", code, task.model_dump_json()]
    done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (corpus.load(task).summary, "")
