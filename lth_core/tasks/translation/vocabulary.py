"""The joint tokens of both languages: byte pairs learnt from the training pairs, or a checkpoint's tokenizer."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth_core.errors import InputError
from lth_core.tasks.text.tokenizers import whole
from lth_core.text import one_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, START, END, UNKNOWN = "<pad>", "<s>", "</s>", "<unk>"


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer of the `tokenizers` library, and the numbers of its special tokens.

    unknown: the token for text without tokens; -1 if there is no such text.
    """

    tokenizer: "Tokenizer"
    pad: int
    start: int
    end: int
    unknown: int = -1

    @property
    def size(self) -> int:
        """Number of tokens."""
        return int(self.tokenizer.get_vocab_size())

    @property
    def digest(self) -> str:
        """SHA-256 of the tokenizer and its special tokens."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Numbers of each text's tokens, without special ones."""
        return [e.ids for e in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, numbers: Sequence[Sequence[int]]) -> list[str]:
        """The texts of these tokens."""
        return [text.strip() for text in self.tokenizer.decode_batch([list(n) for n in numbers])]

    def to_json(self) -> str:
        """The vocabulary as text; the same vocabulary gives the same text."""
        return json.dumps(
            {"tokenizer": self.tokenizer.to_str(), "special": [self.pad, self.start, self.end, self.unknown]}
        )

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """The inverse of `to_json`."""
        from tokenizers import Tokenizer

        fields = json.loads(text)
        return cls(Tokenizer.from_str(fields["tokenizer"]), *fields["special"])


def learn(texts: Iterable[str], size: int, *, special_tokens: bool = False) -> Vocabulary:
    """Byte-pair encoding with at most `size` tokens; words and punctuation are never joined.

    The same texts give the same bytes. Spaces belong to the next word, so that decoding restores texts exactly.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in (PAD, START, END, UNKNOWN)]
    # Only bytes that occur are tokens, because 256 would be a large part of a small vocabulary.
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    )
    return Vocabulary(whole(tokenizer, special=special_tokens), 0, 1, 2, 3)


def of_checkpoint(name: str, *, special_tokens: bool = False) -> Vocabulary:
    """The tokenizer of a sequence-to-sequence checkpoint: a folder, or an id of the Hugging Face hub."""
    from transformers import AutoConfig, AutoTokenizer

    try:
        found: Any = AutoTokenizer.from_pretrained(name)
        config: Any = AutoConfig.from_pretrained(name)
        special = (config.pad_token_id, config.decoder_start_token_id, config.eos_token_id)
        unknown = -1 if found.unk_token_id is None else found.unk_token_id
        vocabulary = Vocabulary(whole(found.backend_tokenizer, special=special_tokens), *special, unknown)
    except (OSError, ValueError, AttributeError, ImportError) as error:
        raise InputError(
            f"task.checkpoint = {one_line(name)}: its tokenizer cannot be loaded ({one_line(error, 200)})"
        ) from None
    if None in special:
        raise InputError(f"task.checkpoint = {one_line(name)}: names no tokens for padding, start and end of a target")
    if vocabulary.pad == vocabulary.end:
        raise InputError(
            f"task.checkpoint = {one_line(name)}: pads texts with the token that ends them ({vocabulary.end}), so that "
            "nothing would learn to end a translation: expected another pad_token_id than eos_token_id in config.json"
        )
    return vocabulary
