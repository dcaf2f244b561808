"""Text tasks: the kinds of `[task]` for language models and translation."""

import json
import re
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lth_core.settings.base import WHOLE, Contents, Positive, TaskSection
from lth_core.text import did_you_mean

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(:[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
PARTS = ("train", "valid", "test")
Column = Annotated[int, Field(ge=1, le=1000), WHOLE]
Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class TextTask(TaskSection):
    """The source of text, for both kinds.

    special_tokens: whether special tokens in the text (<unk>, </s>) are read as such; otherwise they are plain text.
    contents: filled in when the file is read, with the SHA-256 of each file of train, valid, test and checkpoint.
    sources: values of `source` that are not data sets on the hub."""

    source: str = "builtin"
    train: str | None = None
    valid: str | None = None
    test: str | None = None
    tokenizer: str
    checkpoint: str | None = None
    special_tokens: bool = False
    contents: Contents = ()

    added: ClassVar[frozenset[str]] = frozenset({"special_tokens", "contents"})
    logarithmic: ClassVar[tuple[str, ...]] = ("perplexity",)
    places: ClassVar[tuple[str, ...]] = (*PARTS, "checkpoint")
    sources: ClassVar[tuple[str, ...]]

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return PurePath(self.train).name if self.train else self.source

    @model_validator(mode="after")
    def _source_rules(self) -> Self:
        named = [part for part in PARTS if getattr(self, part) is not None]
        if self.source == "files" and len(named) < 3:
            raise ValueError('source = "files" needs the fields train, valid and test')
        if self.source != "files" and named:
            raise ValueError(f'{named[0]}: accepted beside source = "files" only')
        if self.source not in self.sources and not HUB_NAME.fullmatch(self.source):
            raise ValueError(
                f"source {json.dumps(self.source)}: expected one of {', '.join(self.sources)} and OWNER/NAME or "
                f"OWNER/NAME:CONFIGURATION of the Hugging Face hub{did_you_mean(self.source, self.sources)}"
            )
        if (self.tokenizer == "checkpoint") != (self.checkpoint is not None):
            raise ValueError('tokenizer = "checkpoint" and the field checkpoint go together')
        return self


class LanguageModelTask(TextTask):
    """Predicting the next token of a text; perplexities are per token, and answers are of their logarithm.

    source: "builtin", "files" (train, valid and test name text files, plain or .gz, relative to the working folder),
    "wikitext-2", "wikitext-103", or OWNER/NAME or OWNER/NAME:CONFIGURATION on the Hugging Face hub.
    Tokens are words (that occur at least minimum_count times; the `vocabulary` most frequent ones), byte pairs (exactly
    `vocabulary` of them; an error if the text gives fewer), or those of `checkpoint`, a folder or an id on the hub.
    window: tokens through which gradients are backpropagated.
    """

    kind: Literal["language_model"] = "language_model"
    tokenizer: Literal["words", "bpe", "checkpoint"] = "words"
    vocabulary: Annotated[int, Field(ge=8, le=2**24), WHOLE] | None = None
    minimum_count: Positive = 1
    window: Annotated[int, Field(ge=2, le=65_536), WHOLE] = 35

    sources: ClassVar[tuple[str, ...]] = ("builtin", "files", "wikitext-2", "wikitext-103")
    score: ClassVar[str] = "perplexity/test"
    log_score: ClassVar[str] = "log_perplexity/test"
    reference: ClassVar[str] = "log_perplexity-unigram/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = False
    networks: ClassVar[tuple[str, ...]] = ("lstm", "transformer", "causal")
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)
    large_tensors: ClassVar[bool] = True

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.tokenizer == "bpe" and (self.vocabulary is None or self.vocabulary < 257):
            raise ValueError('tokenizer = "bpe" needs vocabulary, 257 (all bytes and the end of a line) or more')
        return self


class TranslationTask(TextTask):
    """Translating sentences; the score is sacrebleu's BLEU on the test part, measured once at the end.

    source: "builtin" (English and German from a grammar), "files", "multi30k", "wmt14", "iwslt2017", or OWNER/NAME
    or OWNER/NAME:CONFIGURATION on the Hugging Face hub. With "files", train, valid and test each name the stem of two
    text files (data/train for data/train.en and data/train.de, plain or .gz), or a .tsv or .jsonl file, relative to
    the working folder. languages: source and target, as files and columns are named. For a .tsv file, columns gives
    the numbers of the source and target columns (from 1), header whether the first row names them, quotes whether
    cells are quoted; what is not given is detected from the first 1,000 rows.

    Tokens are byte pairs, at most `vocabulary` for both languages together (a small corpus gives fewer; the number is
    recorded), or those of `checkpoint`. pairs: train on only this many pairs, the first ones. longest: most tokens of
    a sentence; longer pairs are left out of training and counted, in evaluation they are cut. beam: hypotheses of the
    search; length_penalty: the power of the length that divides their log-probability. bleu_tokenizer: the sacrebleu
    tokenizer for BLEU; by default that of the target language.
    """

    kind: Literal["translation"] = "translation"
    languages: tuple[Language, Language] = ("en", "de")
    columns: tuple[Column, Column] | None = None
    header: bool | None = None
    quotes: bool | None = None
    tokenizer: Literal["bpe", "checkpoint"] = "bpe"
    vocabulary: Annotated[int, Field(ge=100, le=2**24), WHOLE] = 8_000
    pairs: Positive | None = None
    longest: Annotated[int, Field(ge=4, le=65_536), WHOLE] = 256
    beam: Annotated[int, Field(ge=1, le=256), WHOLE] = 4
    length_penalty: Annotated[float, Field(ge=0, le=10)] = 0.6
    bleu_tokenizer: Literal["none", "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab"] | None = None

    sources: ClassVar[tuple[str, ...]] = ("builtin", "files", "multi30k", "wmt14", "iwslt2017")
    score: ClassVar[str] = "bleu/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("seq2seq", "pretrained_seq2seq")
    beside: ClassVar[str] = "sacrebleu's chrF2 (case:mixed|eff:yes|nc:6|nw:0|space:no)"
    added: ClassVar[frozenset[str]] = TextTask.added | frozenset({"bleu_tokenizer", "columns", "header", "quotes"})
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)

    @model_validator(mode="after")
    def _rules(self) -> Self:
        if self.source == "builtin" and set(self.languages) != {"en", "de"}:
            raise ValueError(f'languages {list(self.languages)}: source = "builtin" has "en" and "de"')
        if self.languages[0] == self.languages[1]:
            raise ValueError(f"languages {list(self.languages)}: source and target must differ")
        return self
