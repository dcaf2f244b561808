"""The corpus of a language-model task: three parts as files of token numbers, mapped into memory, never copied.

A source is converted once, line by line, into the cache; training reads only the token files.
"""

import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache as once
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.checkpoints import files as checkpoints
from lth_core.errors import InputError
from lth_core.long_work import telling
from lth_core.settings.base import Contents
from lth_core.settings.texts import PARTS, LanguageModelTask
from lth_core.tasks import contents
from lth_core.tasks.text import cache, hub, prose, tokenizers
from lth_core.tasks.text.lines import READING, check_text, read_lines
from lth_core.tasks.text.token_files import number_type
from lth_core.tasks.text.tokenizers import Subwords, Tokenizer, Words
from lth_core.text import one_line

FORMAT = 2
"""Increased whenever the same source would give other token files."""
Tokens = npt.NDArray[Any]


@dataclass(frozen=True)
class Corpus:
    """Token numbers of each part (n,), with facts about them. unknown: how many are <unk>, by part."""

    train: Tokens
    valid: Tokens
    test: Tokens
    vocabulary: int
    unknown: dict[str, int]
    digest: str
    tokenizer_digest: str

    @property
    def summary(self) -> str:
        """Sizes and hashes in one line, for an experiment's records."""
        parts = ", ".join(
            f"{part} {len(tokens):,} tokens ({self.unknown[part]:,} unknown)"
            for part, tokens in (("train", self.train), ("valid", self.valid), ("test", self.test))
        )
        hashes = f"tokens {self.digest[:16]}, tokenizer {self.tokenizer_digest[:16]}"
        return f"{parts}; vocabulary {self.vocabulary:,}; {hashes}"


def check(task: LanguageModelTask) -> None:
    """Raise InputError if the source is unusable. Reads its files, unless their token files are in the cache."""
    name = _name(task, _facts(task))
    if cache.has("text", name):
        return
    if task.source == "files":
        _check_files(name, *(str(getattr(task, part)) for part in PARTS))
    elif task.source != "builtin":
        hub.check(task.source)
    if task.checkpoint is not None:
        checkpoints.check_tokenizer(task.checkpoint, ends=True)


@lru_cache(maxsize=64)
def _check_files(_key: str, *names: str) -> None:
    """Cached by key, which changes with the files, so that a suite whose members share files reads them once."""
    for part, name in zip(PARTS, names, strict=True):
        check_text(f"task.{part}", name)


def load(task: LanguageModelTask) -> Corpus:
    """The task's corpus, converted now if it is not in the cache. Raises InputError if it cannot be loaded."""
    facts = _facts(task)
    contents.compare(task, facts["contents"])
    folder, card = cache.prepared("text", _name(task, facts), lambda into: _convert(task, into, facts["contents"]))
    kind = np.dtype(card["dtype"])
    parts = {part: np.memmap(folder / f"{part}.bin", dtype=kind, mode="r") for part in PARTS}
    return Corpus(
        **parts, vocabulary=card["vocabulary"], unknown=card["unknown"], digest=cache.key(card["files"]),
        tokenizer_digest=card["tokenizer"],
    )  # fmt: skip


def _facts(task: LanguageModelTask) -> dict[str, Any]:
    """All facts that determine the token files."""
    facts: dict[str, Any] = {
        "format": FORMAT, "source": asdict(hub.data_set(task.source)), "tokenizer": task.tokenizer,
        "vocabulary": task.vocabulary, "minimum_count": task.minimum_count, "special_tokens": task.special_tokens,
        "contents": contents.of_task(task), **contents.hub_facts(task.checkpoint),
    }  # fmt: skip
    if task.source == "builtin":
        facts["python"] = platform.python_version()
    if task.source == "files":
        facts["reading"] = READING
    return facts


def _name(task: LanguageModelTask, facts: dict[str, Any]) -> str:
    return cache.name_for("text", facts, hub.revision(task.source))


def _lines(task: LanguageModelTask) -> Callable[[str], Iterator[str]]:
    """Lines by part."""
    if task.source == "builtin":
        text = once(prose.lines)
        return lambda part: iter(text()[part])
    if task.source == "files":
        return lambda part: read_lines(Path(getattr(task, part)))
    return lambda part: hub.lines(task.source, part)


def _convert(task: LanguageModelTask, into: Path, read: Contents) -> dict[str, Any]:
    lines = _told(_lines(task))
    tokenizer = _tokenizer(task, lines)
    kind = number_type(tokenizer.size)
    unknown = {}
    for part in PARTS:
        written = unknown[part] = 0
        with (into / f"{part}.bin").open("wb") as file:
            for numbers in tokenizer.encode(lines(part)):
                written += len(numbers)
                if tokenizer.unknown is not None:
                    unknown[part] += int((numbers == tokenizer.unknown).sum())
                file.write(numbers.astype(kind).tobytes())
        if written < 2:
            raise InputError(f"task.source = {json.dumps(one_line(task.source))}: its part {part} holds no text")
    contents.check_unchanged(task, read)
    (into / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    return {
        "dtype": kind.str, "vocabulary": tokenizer.size, "unknown": unknown,
        "tokenizer": tokenizers.digest(tokenizer), "revision": hub.revision(task.source),
    }  # fmt: skip


def _told(lines: Callable[[str], Iterator[str]]) -> Callable[[str], Iterator[str]]:
    return lambda part: telling(lines(part), f"reading the texts of {part}")


def _tokenizer(task: LanguageModelTask, lines: Callable[[str], Iterator[str]]) -> Tokenizer:
    """The tokenizer. Words are counted in all three parts, as for published perplexities; byte pairs only in train."""
    if task.tokenizer == "checkpoint":
        return Subwords.of_checkpoint(task.checkpoint or "", special=task.special_tokens)
    if task.tokenizer == "bpe":
        return Subwords.fit(lines("train"), task.vocabulary or 0, special=task.special_tokens)
    everything = (line for part in PARTS for line in lines(part))
    return Words.fit(everything, task.vocabulary, task.minimum_count)
