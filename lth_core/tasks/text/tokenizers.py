"""From lines to token numbers: words, byte-pair encoding, or a checkpoint's own tokenizer.

Every line ends with the token <eos>. Words outside the vocabulary become <unk>. The same lines give the same tokenizer.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from lth_core.checkpoints import files as checkpoints
from lth_core.errors import InputError
from lth_core.tasks.text.token_files import batched
from lth_core.text import one_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer as FastTokenizer

EOS, UNK = "<eos>", "<unk>"
Numbers = npt.NDArray[np.int64]


class Tokenizer(Protocol):
    """A fitted tokenizer. unknown: the number of <unk>; None if nothing is ever unknown."""

    size: int
    unknown: int | None

    def encode(self, lines: Iterable[str]) -> Iterator[Numbers]:
        """Token numbers of many lines at once."""

    def to_json(self) -> str:
        """The tokenizer as text; the same tokenizer gives the same text."""


def digest(tokenizer: Tokenizer) -> str:
    """SHA-256 of the tokenizer."""
    return hashlib.sha256(tokenizer.to_json().encode()).hexdigest()


class Words:
    """A number for each word; words are separated by blanks."""

    def __init__(self, words: list[str]) -> None:
        self._numbers = {word: number for number, word in enumerate(words)}
        self.size = len(words)
        self.unknown = self._numbers.get(UNK)

    @classmethod
    def fit(cls, lines: Iterable[str], most: int | None, minimum_count: int) -> "Words":
        """The `most` most frequent words that occur at least minimum_count times, including <eos> and <unk>.

        <unk> is a token if the text contains it, or if words are left out.
        """
        counts: Counter[str] = Counter()
        for line in lines:
            counts.update(line.split())
        special = {EOS} | ({UNK} & counts.keys())
        kept = sorted((w for w, n in counts.items() if n >= minimum_count and w not in special), key=_order(counts))
        if len(kept) < len(counts.keys() - special) or (most is not None and len(kept) + len(special) > most):
            special |= {UNK}
        if most is not None:
            kept = kept[: max(0, most - len(special))]
        return cls([*sorted(special), *kept])

    def encode(self, lines: Iterable[str]) -> Iterator[Numbers]:
        """See Tokenizer."""
        numbers, unknown, eos = self._numbers, self.unknown, self._numbers[EOS]
        for some in batched(lines):
            found: list[int | None] = []
            for line in some:
                found += [numbers.get(word, unknown) for word in line.split()]
                found.append(eos)
            yield np.array(found, dtype=np.int64)

    def to_json(self) -> str:
        """See Tokenizer."""
        return json.dumps({"kind": "words", "words": list(self._numbers)})


class Subwords:
    """A tokenizer of the `tokenizers` library."""

    def __init__(self, fast: "FastTokenizer", eos: int, *, special: bool) -> None:
        self._fast, self._eos = whole(fast, special=special), eos
        self.size = int(fast.get_vocab_size())
        self.unknown: int | None = None

    @classmethod
    def fit(cls, lines: Iterable[str], size: int, *, special: bool = False) -> "Subwords":
        """Byte-pair encoding with exactly `size` tokens; all bytes are tokens, so that nothing is unknown."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        fast = Tokenizer(models.BPE())
        fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        fast.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=[EOS], show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )  # fmt: skip
        fast.train_from_iterator(lines, trainer)
        found = fast.get_vocab_size()
        if found != size:
            raise InputError(
                f"task.vocabulary = {size}: byte-pair encoding of the training text gives {found} tokens at most: "
                f"expected 257 to {found}"
            )
        return cls(fast, int(fast.token_to_id(EOS) or 0), special=special)

    @classmethod
    def of_checkpoint(cls, name: str, *, special: bool = False) -> "Subwords":
        """The tokenizer of a checkpoint: a folder, or an id of the Hugging Face hub."""
        from transformers import AutoTokenizer

        try:
            found: Any = AutoTokenizer.from_pretrained(name)
            fast, eos = found.backend_tokenizer, found.eos_token_id
        except (OSError, ValueError, AttributeError, ImportError) as error:
            raise InputError(
                f'task.checkpoint = "{one_line(name)}": its tokenizer cannot be loaded ({one_line(error, 200)})'
            ) from None
        if eos is None:
            raise checkpoints.no_end(name)
        return cls(fast, int(eos), special=special)

    def encode(self, lines: Iterable[str]) -> Iterator[Numbers]:
        """See Tokenizer."""
        for some in batched(lines):
            found: list[int] = []
            for encoding in self._fast.encode_batch(list(some), add_special_tokens=False):
                found += [*encoding.ids, self._eos]
            yield np.array(found, dtype=np.int64)

    def to_json(self) -> str:
        """See Tokenizer."""
        return str(self._fast.to_str())


def whole(fast: "FastTokenizer", *, special: bool) -> "FastTokenizer":
    """The tokenizer without truncation and padding, because it is stored with those of its last call.

    special: whether special tokens in the text are read as such; otherwise they are text.
    """
    fast.no_truncation()
    fast.no_padding()
    fast.encode_special_tokens = not special
    return fast


def _order(counts: Mapping[str, int]) -> Callable[[str], tuple[int, str]]:
    """Words by falling frequency, equally frequent ones in alphabetical order."""
    return lambda word: (-counts[word], word)
