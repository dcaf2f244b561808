"""Sentence pairs from files and their tokens: what is read, what is refused and how, what stays the same."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lth_core.errors import InputError
from lth_core.settings.texts import PARTS, TranslationTask
from lth_core.tasks.translation import corpus, pairs, vocabulary
from lth_core.tasks.translation.grammar import sentences
from tests.tasks.text.test_corpus import ASCII

SOME = list(sentences.pairs(60))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def write_moses(folder: Path, stem: str, found: list[tuple[str, str]], suffix: str = "") -> str:
    for side, language in enumerate(("en", "de")):
        text = "".join(pair[side] + "\n" for pair in found).encode()
        path = folder / f"{stem}.{language}{suffix}"
        path.write_bytes(gzip.compress(text) if suffix else text)
    return str(folder / stem)


def task(folder: Path, **fields: Any) -> TranslationTask:
    """Sixty pairs in files of their own."""
    for part in PARTS:
        if part not in fields:
            fields[part] = write_moses(folder, part, SOME)
    return TranslationTask(**{"source": "files", "vocabulary": 300, **fields})


@pytest.mark.parametrize("form", ["moses", "moses.gz", "tsv", "tsv.gz", "jsonl", "jsonl of translations"])
def test_every_form_of_file_gives_the_same_pairs(tmp_path: Path, form: str) -> None:
    if form.startswith("moses"):
        name = write_moses(tmp_path, "mine", SOME, ".gz" if form.endswith("gz") else "")
    else:
        name = str(tmp_path / f"mine.{form.split()[0]}")
        if form.startswith("tsv"):
            lines = ["\t".join(pair) for pair in SOME]
        else:
            rows = [{"en": first, "de": second} for first, second in SOME]
            lines = [json.dumps({"translation": row} if "translations" in form else row) for row in rows]
        text = "\n".join(lines).encode()
        Path(name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    assert list(pairs.read(task(tmp_path, train=name), "train")) == SOME


@pytest.mark.parametrize("name", ["mine", "mine.tsv", "mine.jsonl"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, name: str) -> None:
    row = '{"en": "Yes.", "de": "Ja."}'
    texts = {"mine.en": "Yes.\n", "mine.de": "Ja.\n", "mine.tsv": "Yes.\tJa.\n", "mine.jsonl": row}
    for file, text in texts.items():
        (tmp_path / file).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert list(pairs.read(task(tmp_path, train=str(tmp_path / name)), "train")) == [("Yes.", "Ja.")]


@pytest.mark.parametrize(
    ("rows", "fields", "said"),
    [
        (["en\tde", "Yes.\tJa."], {}, "header row left out"),
        (["German\tnote\tEnglish", "Ja.\tx\tYes."], {}, "header row left out, columns 3 and 1 of 3"),
        (["src\ttgt", "Yes.\tJa."], {}, "header row left out"),
        (["Yes.\tJa.\tCC-BY 2.0 (France) Tatoeba #1"], {}, "columns 1 and 2 of 3"),
        (["7\tYes.\t9\tJa."], {"columns": [2, 4]}, "columns 2 and 4 of 4"),
        (["7\tYes.\t9\tJa."], {}, "columns 2 and 4 of 4"),
        (["nr\tText\tTexto", "7\tYes.\tJa."], {}, "header row left out, columns 2 and 3 of 3"),
        (["sentence_de\tsentence_en", "Ja.\tYes."], {}, "header row left out, columns 2 and 1 of 2"),
        (["Sentence\tTranslation", "Yes.\tJa."], {}, "header row left out"),
        (["Deutsch\tEnglish", "Ja.\tYes."], {}, "header row left out, columns 2 and 1 of 2"),
        (["a\tb", "Yes.\tJa."], {"header": True}, "header row left out"),
        (['"Yes."\t"Ja."'], {}, "quotes around cells taken off"),
        (['"Yes."\tJa.'], {"quotes": True}, "quotes around cells taken off"),
        (["Yes.\tJa."], {}, ""),
    ],
)
def test_files_of_columns_are_read_as_people_have_them(
    tmp_path: Path, rows: list[str], fields: dict[str, Any], said: str
) -> None:
    (tmp_path / "a.tsv").write_text("\n".join(rows))
    own = task(tmp_path, train=str(tmp_path / "a.tsv"))
    own = TranslationTask.model_validate_json(json.dumps({**json.loads(own.model_dump_json()), **fields}))
    assert list(pairs.read(own, "train")) == [("Yes.", "Ja.")]
    assert pairs.forms(own) == ({"train": said} if said else {})


def test_quotes_of_an_author_stay_and_those_of_a_program_go(tmp_path: Path) -> None:
    own = task(tmp_path, train=str(tmp_path / "a.tsv"))
    (tmp_path / "a.tsv").write_text('"Go!"\t"Geh!"\nHe said "go".\tEr sagte.\n')
    assert list(pairs.read(own, "train")) == [('"Go!"', '"Geh!"'), ('He said "go".', "Er sagte.")]
    (tmp_path / "a.tsv").write_text('"Go!"\tGeh!\nStay.\tBleib.\n')
    assert next(pairs.read(own, "train"))[0] == '"Go!"'
    (tmp_path / "a.tsv").write_text('"""Go!"" he said"\tGeh!\nStay.\tBleib.\n')
    assert list(pairs.read(own, "train")) == [('"Go!" he said', "Geh!"), ("Stay.", "Bleib.")]
    (tmp_path / "a.tsv").write_text('"two\nlines"\tGeh!\n')
    quoted = TranslationTask.model_validate_json(json.dumps({**json.loads(own.model_dump_json()), "quotes": True}))
    assert list(pairs.read(quoted, "train")) == [("two lines", "Geh!")]
    (tmp_path / "a.tsv").write_text('"a"\t"b')
    with pytest.raises(InputError, match=r"a.tsv: line 1: unexpected end of data: expected properly quoted cells"):
        list(pairs.read(quoted, "train"))
    (tmp_path / "a.tsv").write_text("I speak English.\tIch spreche Deutsch.\n")
    assert list(pairs.read(own, "train")) == [("I speak English.", "Ich spreche Deutsch.")]
    (tmp_path / "a.tsv").write_text("en\tde\n")
    kept = TranslationTask.model_validate_json(json.dumps({**json.loads(own.model_dump_json()), "header": False}))
    assert list(pairs.read(kept, "train")) == [("en", "de")]


def test_how_columns_were_read_is_in_the_record(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("\n".join(["en\tde", *("\t".join(pair) for pair in SOME)]))
    assert "; train: header row left out; " in corpus.load(task(tmp_path, train=str(tmp_path / "a.tsv"))).summary


def test_languages_say_the_direction(tmp_path: Path) -> None:
    swapped = task(tmp_path).model_copy(update={"languages": ("de", "en")})
    assert list(pairs.read(swapped, "train")) == [(second, first) for first, second in SOME]


def _say(found: TranslationTask) -> str:
    """What is said before a job is queued, and by the worker if it should come to that."""
    said = []
    for read in (corpus.check, corpus.load):
        with pytest.raises(InputError) as caught:
            read(found)
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


def test_unequal_line_counts_are_named_with_their_numbers(tmp_path: Path) -> None:
    stem = write_moses(tmp_path, "odd", SOME)
    with Path(f"{stem}.en").open("a") as file:
        file.write("One.\nTwo.\n")
    said = _say(task(tmp_path, train=stem))
    assert "odd.en has 62 lines" in said and "odd.de has 60" in said
    Path(f"{stem}.en").write_text("One.\n")
    assert "odd.en has 1 lines" in _say(task(tmp_path, train=stem)) and "60" in _say(task(tmp_path, train=stem))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "task.train = {stem}.de: the file is empty"),
        ("Gr\u00fc\u00dfe.\n".encode("latin-1"), "line 1 is not UTF-8 text"),
    ],
)
def test_files_that_hold_no_text_are_refused_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    stem = write_moses(tmp_path, "bad", SOME[:1] if b"\xfc" in content else SOME)
    Path(f"{stem}.de").write_bytes(content)
    said = _say(task(tmp_path, train=stem))
    assert words.format(stem=stem) in said and "\n" not in said


@pytest.mark.parametrize(("name", "file"), [("bad", "bad.de"), ("bad.tsv", "bad.tsv")])
@pytest.mark.parametrize("part", ["train", "test"])
def test_files_of_blanks_are_refused_in_a_sentence(tmp_path: Path, part: str, name: str, file: str) -> None:
    write_moses(tmp_path, "bad", SOME)
    (tmp_path / file).write_bytes(b"\n" * 60)
    own = task(tmp_path, **{part: str(tmp_path / name)})
    with pytest.raises(InputError) as caught:
        corpus.check(own)
    assert str(caught.value).startswith(f"task.{part} = {tmp_path / file}: the file is blank")
    if part == "train":
        with pytest.raises(InputError, match="its part train holds no pair"):
            corpus.load(own)
    corpus.check(task(tmp_path, train=write_moses(tmp_path, "good", [*SOME, ("", "leer")])))


def test_pairs_that_are_not_trained_on_are_not_looked_at(tmp_path: Path) -> None:
    stem = write_moses(tmp_path, "odd", SOME)
    with Path(f"{stem}.en").open("a") as file:
        file.write("One.\n")
    corpus.check(task(tmp_path, train=stem, pairs=60))
    with pytest.raises(InputError, match=r"odd.en has 61 lines"):
        corpus.check(task(tmp_path, train=stem, pairs=61))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tsv", "one\ttwo\nthree\n", "line 2: columns between tabs: 1; expected 2"),
        ("a.jsonl", '{"en": "one", "de": "two"}\n{"en": 1, "de": "x"}\n', "line 2: expected an object"),
        ("a.tsv", "one\ttwo\nthree\tfour\tfive\n", "line 2: columns between tabs: 3; expected 2"),
        ("a.tsv", "1\ta\tb\n2\tc\n", "line 2: columns between tabs: 2; expected rows with the columns 2 and 3"),
        ("a.jsonl", '{"en": "one \\ud800", "de": "two"}\n', "line 1: holds half of a character"),
        ("a.jsonl", '[1]\n', "line 1: expected an object"),
        ("a.jsonl", "[" * 5000, "line 1: expected an object"),
        ("a", None, "neither"),
    ],
)  # fmt: skip
def test_a_line_of_another_form_is_named_with_its_number(tmp_path: Path, name: str, content: Any, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    assert words in _say(task(tmp_path, train=str(tmp_path / name)))


def test_long_and_empty_pairs_are_left_out_of_training_and_counted_and_cut_elsewhere(tmp_path: Path) -> None:
    long = ("one " * 200, "eins " * 200)
    odd = write_moses(tmp_path, "odd", [*SOME, long, ("", "leer"), long])
    found = corpus.load(task(tmp_path, train=odd, test=odd, longest=120))
    assert found.left_out == {"long": 2, "empty": 1}
    assert found.cut == {"valid": 0, "test": 2}
    assert len(found.parts["train"]) == 60 and len(found.parts["test"]) == 63
    assert found.parts["test"].lengths().max() == 119
    assert len(found.texts("test")) == 63
    assert "left out of train 2 too long, 1 empty; cut 0 in valid, 2 in test" in found.summary
    with pytest.raises(InputError, match=r"longer than task.longest = 4"):
        corpus.load(task(tmp_path, longest=4))


def test_tokens_in_memory_are_the_sentences_and_are_spelt_back(tmp_path: Path) -> None:
    found = corpus.load(task(tmp_path))
    own = found.vocabulary
    assert own.size == 300 and (own.pad, own.start, own.end) == (0, 1, 2)
    for part in PARTS:
        tokens = found.parts[part]
        assert isinstance(tokens.tokens, np.memmap) and not tokens.tokens.flags.writeable
        for number, pair in enumerate(SOME):
            assert own.decode([tokens.sentence(number, side).tolist() for side in (0, 1)]) == list(pair)
    assert found.texts("test") == [german for _, german in SOME]
    assert min(int(p.tokens.min()) for p in found.parts.values()) > own.end


def test_a_corpus_is_made_once_and_again_when_its_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = task(tmp_path)
    first = corpus.load(own)
    write_moses(tmp_path, "train", SOME[:30])
    assert corpus.load(own).digest != first.digest
    monkeypatch.setattr(vocabulary, "learn", lambda *_: pytest.fail("learnt again"))
    assert len(corpus.load(own).parts["train"]) == 30


@pytest.mark.processes
def test_the_vocabulary_is_the_same_in_every_process() -> None:
    code = (
        "from lth_core.tasks.translation import vocabulary\n"
        "from lth_core.tasks.translation.grammar import sentences\n"
        "print(vocabulary.learn((t for p in sentences.pairs(2000) for t in p), 700).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**_environment(), **more}
        ).stdout.strip()
        for more in ({"RAYON_NUM_THREADS": "1"}, {"RAYON_NUM_THREADS": "4"}, {"PYTHONHASHSEED": "7"})
    }
    assert len(digests) == 1 and len(digests.pop()) == 64


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_the_built_in_parts_share_no_sentence() -> None:
    parts = {part: list(pairs.read(TranslationTask(), part)) for part in PARTS}
    assert [len(found) for found in parts.values()] == [18_000, 1_000, 1_000]
    for side in (0, 1):
        texts = [{pair[side] for pair in found} for found in parts.values()]
        assert len(set.union(*texts)) == 20_000


def test_a_folder_that_datasets_can_read_is_a_source_like_any_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "mine" / "set").mkdir(parents=True)
    for split in ("train", "validation", "test"):
        rows = [json.dumps({"translation": {"en": first, "de": second}}) for first, second in SOME]
        (tmp_path / "mine" / "set" / f"{split}.jsonl").write_text("\n".join(rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    wanted = TranslationTask(source="mine/set", vocabulary=300)
    assert list(pairs.read(wanted, "valid")) == SOME
    assert len(corpus.load(wanted).parts["train"]) == 60
    # Once it is in token files, nothing asks for the data set any more.
    for path in (tmp_path / "mine" / "set").iterdir():
        path.unlink()
    assert len(corpus.load(wanted).parts["train"]) == 60
    corpus.check(wanted)


def test_iwslt_is_read_from_the_hubs_own_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    from datasets import Dataset

    for name, found in (("en-de", SOME), ("de-en", SOME[::-1])):
        folder = tmp_path / "IWSLT" / "iwslt2017" / f"iwslt2017-{name}"
        folder.mkdir(parents=True)
        for split in ("train", "validation", "test"):
            rows = [{"translation": {"en": first, "de": second}} for first, second in found]
            Dataset.from_list(rows).to_parquet(folder / f"iwslt2017-{split}.parquet")
    monkeypatch.chdir(tmp_path)  # `datasets` takes a folder of this name for the data set
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert list(pairs.read(TranslationTask(source="iwslt2017"), "valid")) == SOME
    other = TranslationTask(source="iwslt2017", languages=("de", "en"))
    assert list(pairs.read(other, "test")) == [(second, first) for first, second in SOME[::-1]]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("multi30k", {"path": "bentrevett/multi30k", "name": None}),
        ("wmt14", {"path": "wmt/wmt14", "name": "de-en"}),
        ("iwslt2017", {"path": "IWSLT/iwslt2017", "data_dir": "iwslt2017-en-de", "revision": "refs/convert/parquet"}),
        ("owner/name:part", {"path": "owner/name", "name": "part", "revision": None}),
    ],
)
def test_presets_ask_for_these_data_sets(source: str, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def load_dataset(path: str, name: str | None, **more: Any) -> list[Any]:
        asked.update(path=path, name=name, **more)
        return [{"en": "one", "de": "eins"}]

    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    assert list(pairs.read(TranslationTask(source=source), "valid")) == [("one", "eins")]
    assert {**asked, **wanted} == asked and asked["split"] == "validation"


def test_what_is_unknown_and_a_vocabulary_smaller_than_asked_are_said(tmp_path: Path) -> None:
    test = write_moses(tmp_path, "other", [(f"{first} \u4e2d", second) for first, second in SOME])
    found = corpus.load(task(tmp_path, test=test, vocabulary=5_000))
    assert found.unknown == {"train": 0, "valid": 0, "test": 3 * len(SOME)}
    assert f"test {len(SOME)} pairs ({3 * len(SOME)} tokens unknown)" in found.summary
    assert f"vocabulary {found.vocabulary.size:,} of 5,000 asked for" in found.summary
    assert "asked" not in corpus.load(task(tmp_path, vocabulary=150)).summary


def test_a_data_set_that_cannot_be_had_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    datasets = ModuleType("datasets")
    datasets.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", datasets)
    monkeypatch.setattr("lth_core.tasks.text.hub.check", lambda _: None)
    with pytest.raises(InputError, match=r'"multi30k": the split train .* cannot be loaded.*no network'):
        next(iter(pairs.read(TranslationTask(source="multi30k"), "train")))


@pytest.mark.processes
def test_pairs_are_converted_in_any_locale(tmp_path: Path) -> None:
    code = (
        "import json, sys; from lth_core.tasks.translation import corpus\n"
        "from lth_core.settings.texts import TranslationTask\n"
        "print(json.dumps(corpus.load(TranslationTask.model_validate_json(sys.argv[1])).texts('valid')))"
    )
    command = [sys.executable, "-c", code, task(tmp_path).model_dump_json()]
    done = subprocess.run(command, env={**os.environ, **ASCII}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [german for _, german in SOME]
