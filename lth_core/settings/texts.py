"""What is learnt from text: the kinds of `[task]` for language models and translation."""

import json
import re
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import Positive, TaskSection
from lth_core.text import did_you_mean

SOURCES = ("builtin", "files", "wikitext-2", "wikitext-103")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(:[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
PAIR_SOURCES = ("builtin", "files", "multi30k", "wmt14")
Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class LanguageModelTask(TaskSection):
    """Predicting the next token of a text; perplexities are per token.

    source: "builtin", "files" (train, valid and test name text files, plain or .gz, as seen from where the program
    was started), "wikitext-2", "wikitext-103", or OWNER/NAME or OWNER/NAME:CONFIGURATION of the Hugging Face hub.
    Tokens are words (those that occur minimum_count times, the `vocabulary` most frequent ones), byte pairs
    (exactly `vocabulary` of them), or those of `checkpoint`, a folder or an id of the hub. window: tokens through
    which gradients flow back.
    """

    kind: Literal["language_model"] = "language_model"
    source: str = "builtin"
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    tokenizer: Literal["words", "bpe", "checkpoint"] = "words"
    vocabulary: Annotated[int, Field(ge=8, le=2**24)] | None = None
    minimum_count: Positive = 1
    checkpoint: str | None = None
    window: Annotated[int, Field(ge=2, le=65_536)] = 35

    score: ClassVar[str] = "perplexity/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = False
    networks: ClassVar[tuple[str, ...]] = ("lstm", "transformer", "causal")
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)
    large_tensors: ClassVar[bool] = True

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return PurePath(self.train).name if self.train else self.source

    @model_validator(mode="after")
    def _rules(self) -> Self:
        named = [part for part in ("train", "valid", "test") if getattr(self, part) is not None]
        if self.source == "files" and len(named) < 3:
            raise ValueError('source = "files" needs the fields train, valid and test')
        if self.source != "files" and named:
            raise ValueError(f'{named[0]}: accepted beside source = "files" only')
        if self.source not in SOURCES and not HUB_NAME.fullmatch(self.source):
            raise ValueError(
                f"source {json.dumps(self.source)}: accepted are {', '.join(SOURCES)} and OWNER/NAME or "
                f"OWNER/NAME:CONFIGURATION of the Hugging Face hub{did_you_mean(self.source, SOURCES)}"
            )
        if self.tokenizer == "bpe" and (self.vocabulary is None or self.vocabulary < 257):
            raise ValueError('tokenizer = "bpe" needs vocabulary, 257 (all bytes and the end of a line) or more')
        if (self.tokenizer == "checkpoint") != (self.checkpoint is not None):
            raise ValueError('tokenizer = "checkpoint" and the field checkpoint go together')
        return self


class TranslationTask(TaskSection):
    """Translating sentences; the score is BLEU as sacrebleu has it, on the test part, once at the end.

    source: "builtin" (English and German from a grammar), "files", "multi30k", "wmt14", or OWNER/NAME or
    OWNER/NAME:CONFIGURATION of the Hugging Face hub. With "files", train, valid and test each name the stem of two text
    files (data/train for data/train.en and data/train.de, plain or .gz), or a .tsv or .jsonl file, as seen from where
    the program was started. languages are source and target, as files and columns are called.

    Tokens are byte pairs, `vocabulary` of them for both languages, or those of `checkpoint`. pairs: how many are
    trained on, the first ones; all where it is left out. longest: tokens of a sentence; longer pairs are left out of
    training and counted, others cut. beam: hypotheses of the search; length_penalty: the power of the length that
    divides their log-probability.
    """

    kind: Literal["translation"] = "translation"
    source: str = "builtin"
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    languages: tuple[Language, Language] = ("en", "de")
    tokenizer: Literal["bpe", "checkpoint"] = "bpe"
    vocabulary: Annotated[int, Field(ge=100, le=2**24)] = 8_000
    checkpoint: str | None = None
    pairs: Positive | None = None
    longest: Annotated[int, Field(ge=4, le=65_536)] = 256
    beam: Annotated[int, Field(ge=1, le=256)] = 4
    length_penalty: Annotated[float, Field(ge=0, le=10)] = 0.6

    score: ClassVar[str] = "bleu/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("seq2seq", "pretrained_seq2seq")
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return PurePath(self.train).name if self.train else self.source

    @model_validator(mode="after")
    def _rules(self) -> Self:
        named = [part for part in ("train", "valid", "test") if getattr(self, part) is not None]
        if self.source == "files" and len(named) < 3:
            raise ValueError('source = "files" needs the fields train, valid and test')
        if self.source != "files" and named:
            raise ValueError(f'{named[0]}: accepted beside source = "files" only')
        if self.source not in PAIR_SOURCES and not HUB_NAME.fullmatch(self.source):
            raise ValueError(
                f"source {json.dumps(self.source)}: accepted are {', '.join(PAIR_SOURCES)} and OWNER/NAME or "
                f"OWNER/NAME:CONFIGURATION of the Hugging Face hub{did_you_mean(self.source, PAIR_SOURCES)}"
            )
        if self.source == "builtin" and set(self.languages) != {"en", "de"}:
            raise ValueError(f'languages {list(self.languages)}: source = "builtin" has "en" and "de"')
        if self.languages[0] == self.languages[1]:
            raise ValueError(f"languages {list(self.languages)}: source and target must differ")
        if (self.tokenizer == "checkpoint") != (self.checkpoint is not None):
            raise ValueError('tokenizer = "checkpoint" and the field checkpoint go together')
        return self
