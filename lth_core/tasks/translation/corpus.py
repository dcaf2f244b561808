"""The corpus of a translation task: token files mapped into memory, made once from the source, shared by all workers.

Pairs longer than the limit or with an empty side are left out of training and counted. In valid and test nothing is
left out; sentences that are too long are cut and counted.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.checkpoints import files as checkpoints
from lth_core.errors import InputError
from lth_core.long_work import telling
from lth_core.settings.base import Contents
from lth_core.settings.texts import PARTS, TranslationTask
from lth_core.tasks import contents
from lth_core.tasks.text import cache, hub
from lth_core.tasks.text.lines import READING
from lth_core.tasks.text.token_files import batched, number_type
from lth_core.tasks.translation import bleu, pairs, vocabulary
from lth_core.tasks.translation.vocabulary import Vocabulary
from lth_core.text import one_line

FORMAT = 4
"""Increased whenever the same source would give other token files."""
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Pairs as tokens in one array, source before target. ends: (2n,), where each sentence ends."""

    tokens: Array
    ends: Array

    def __len__(self) -> int:
        return len(self.ends) // 2

    def lengths(self) -> Array:
        """(n, 2): tokens of source and target."""
        return np.diff(self.ends, prepend=0).reshape(-1, 2)

    def places(self, pairs: Array, side: int) -> tuple[Array, Array]:
        """Where the sources (side 0) or targets (1) of pairs (n,) begin in `tokens`, and their lengths."""
        numbers = 2 * pairs + side
        starts = np.where(numbers > 0, self.ends[numbers - 1], 0)
        return starts, self.ends[numbers] - starts

    def sentence(self, pair: int, side: int) -> Array:
        """The tokens of source (0) or target (1)."""
        number = 2 * pair + side
        return self.tokens[self.ends[number - 1] if number else 0 : self.ends[number]]


@dataclass(frozen=True)
class ParallelCorpus:
    """A task's parts and vocabulary, and counts of pairs left out or cut and of unknown tokens.

    asked: the requested size of the vocabulary, 0 for a checkpoint's; a small text gives fewer tokens. forms: how files
    of columns were read, by part.
    """

    parts: dict[str, Part]
    vocabulary: Vocabulary
    folder: Path
    left_out: dict[str, int]
    cut: dict[str, int]
    unknown: dict[str, int]
    asked: int
    digest: str
    forms: dict[str, str]

    def texts(self, part: str) -> list[str]:
        """The original target texts of a part; only of valid and test."""
        return (self.folder / f"{part}.txt").read_text(encoding="utf-8").split("\n")

    @property
    def summary(self) -> str:
        """Sizes and hashes in one line, for an experiment's records."""
        sizes = ", ".join(
            f"{part} {len(found):,} pairs ({self.unknown[part]:,} tokens unknown)" for part, found in self.parts.items()
        )
        size = self.vocabulary.size
        fewer = f" of {self.asked:,} asked for" if size < self.asked else ""
        forms = "".join(f"; {part}: {said}" for part, said in self.forms.items())
        return (
            f"{sizes}{forms}; left out of train {self.left_out['long']:,} too long, {self.left_out['empty']:,} empty; "
            f"cut {self.cut['valid']:,} in valid, {self.cut['test']:,} in test; vocabulary {size:,}{fewer}; "
            f"tokens {self.digest[:16]}, tokenizer {self.vocabulary.digest[:16]}"
        )


def check(task: TranslationTask) -> None:
    """Raise InputError if the source is unusable. Reads its files, unless their token files are in the cache."""
    bleu.check(task)
    name = _name(task, _facts(task))
    if cache.has("pairs", name):
        return
    if task.source == "files":
        _check_files(name, task)
    elif task.source != "builtin":
        hub.check(task.source)
    if task.checkpoint is not None:
        checkpoints.check_tokenizer(task.checkpoint, "config.json")


@lru_cache(maxsize=64)
def _check_files(_key: str, task: TranslationTask) -> None:
    """Cached by key, which changes with the files, so that a suite whose members share files reads them once."""
    for part in PARTS:
        pairs.check(task, part)


def load(task: TranslationTask) -> ParallelCorpus:
    """The task's corpus, converted now if it is not in the cache. Raises InputError if it cannot be loaded."""
    facts = _facts(task)
    contents.compare(task, facts["contents"])
    folder, card = cache.prepared("pairs", _name(task, facts), lambda into: _convert(task, into, facts["contents"]))
    kind = np.dtype(card["dtype"])
    parts = {
        part: Part(
            np.memmap(folder / f"{part}.tokens", dtype=kind, mode="r"),
            np.memmap(folder / f"{part}.ends", dtype=np.int64, mode="r"),
        )
        for part in PARTS
    }
    own = Vocabulary.from_json((folder / "vocabulary.json").read_text())
    asked = 0 if task.checkpoint is not None else task.vocabulary
    counts = card["left_out"], card["cut"], card["unknown"]
    return ParallelCorpus(parts, own, folder, *counts, asked, cache.key(card["files"]), card["forms"])


def _facts(task: TranslationTask) -> dict[str, Any]:
    """All facts that determine the token files."""
    facts: dict[str, Any] = {
        "format": FORMAT, "source": asdict(hub.data_set(task.source, task.languages)), "languages": task.languages,
        "vocabulary": task.vocabulary, "pairs": task.pairs, "longest": task.longest,
        "special_tokens": task.special_tokens, "contents": contents.of_task(task),
        **contents.hub_facts(task.checkpoint),
    }  # fmt: skip
    if task.source == "files":
        facts["reading"] = READING
        facts["columns"] = [task.columns, task.header, task.quotes]
    return facts


def _name(task: TranslationTask, facts: dict[str, Any]) -> str:
    return cache.name_for("pairs", facts, hub.revision(task.source, task.languages))


def _convert(task: TranslationTask, into: Path, read: Contents) -> dict[str, Any]:
    if task.checkpoint is not None:
        own = vocabulary.of_checkpoint(task.checkpoint, special_tokens=task.special_tokens)
    else:
        read_now = telling(pairs.read(task, "train"), "reading the pairs of train")
        texts = (text for pair in read_now for text in pair)
        own = vocabulary.learn(texts, task.vocabulary, special_tokens=task.special_tokens)
    (into / "vocabulary.json").write_text(own.to_json())
    kind = number_type(own.size)
    left_out, cut, unknown = {"long": 0, "empty": 0}, {"valid": 0, "test": 0}, dict.fromkeys(PARTS, 0)
    for part in PARTS:
        ends = [0]
        with (into / f"{part}.tokens").open("wb") as file:
            for first, second in _encoded(own, telling(pairs.read(task, part), f"reading the pairs of {part}")):
                if part == "train" and not (first and second):
                    left_out["empty"] += 1
                    continue
                # The last place is for the end token.
                if max(len(first), len(second)) >= task.longest:
                    if part == "train":
                        left_out["long"] += 1
                        continue
                    cut[part] += 1
                for sentence in (first, second):
                    kept = sentence[: task.longest - 1]
                    ends.append(ends[-1] + len(kept))
                    unknown[part] += kept.count(own.unknown)
                    file.write(np.array(kept, dtype=kind).tobytes())
        _check_size(task, part, len(ends) // 2, left_out)
        (into / f"{part}.ends").write_bytes(np.array(ends[1:], dtype=np.int64).tobytes())
        if part != "train":
            text = "\n".join(" ".join(target.split()) for _, target in pairs.read(task, part))
            (into / f"{part}.txt").write_text(text, encoding="utf-8")
    contents.check_unchanged(task, read)
    return {
        "dtype": kind.str, "left_out": left_out, "cut": cut, "unknown": unknown, "forms": pairs.forms(task),
        "revision": hub.revision(task.source, task.languages),
    }  # fmt: skip


def _check_size(task: TranslationTask, part: str, found: int, left_out: dict[str, int]) -> None:
    if found == 0:
        why = ""
        if part == "train" and any(left_out.values()):
            why = f" ({left_out['long']:,} pairs were longer than task.longest = {task.longest} tokens)"
        raise InputError(f"task.source = {json.dumps(one_line(task.source))}: its part {part} holds no pair{why}")


def _encoded(own: Vocabulary, found: pairs.Pairs) -> Iterator[tuple[list[int], list[int]]]:
    for some in batched(found):
        sources, targets = zip(*some, strict=True)
        yield from zip(own.encode(sources), own.encode(targets), strict=True)
