"""What is learnt: the kinds of `[task]`. Each names its score, and the networks and algorithms that fit it."""

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lth_core.settings.base import Positive, TaskSection
from lth_core.settings.games import rom_name
from lth_core.text import did_you_mean

Pixels = Annotated[int, Field(ge=16, le=512)]

SOURCES = ("builtin", "files", "wikitext-2", "wikitext-103")
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}(:[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
PAIR_SOURCES = ("builtin", "files", "multi30k", "wmt14")
Language = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]


class ControlTask(TaskSection):
    """Control from vector observations: a registered gymnasium environment."""

    kind: Literal["control"] = "control"
    environment: str = "CartPole-v1"

    score: ClassVar[str] = "return/train"
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("mlp",)
    algorithms: ClassVar[tuple[str, ...]] = ("a2c", "ppo")

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.environment


PROTOCOLS: Mapping[str, Mapping[str, Any]] = {
    "mnih": {},
    "machado": {
        "sticky_actions": 0.25, "full_action_set": True, "episodic_life": False, "noop_max": 0, "fire_reset": False,
        "frame_skip": 5, "max_frames": 18_000,
    },
    "paper": {
        "frame_skip": 3, "episodic_life": False, "noop_max": 0, "fire_reset": False, "grayscale": False,
        "size": (105, 80),
    },
}  # fmt: skip
"""What a protocol of playing Atari games sets; everything else is as in `mnih`, the defaults of AtariTask."""


class AtariTask(TaskSection):
    """An Atari game from pixels, by its ROM name in any spelling.

    protocol fills in what the file leaves out: `mnih` is Mnih et al. 2015 as most of today's programs have it;
    `machado` the recommendations of Machado et al. 2018; `paper` what can be had of Yu et al. 2020.
    An action is held for frame_skip frames, and with probability sticky_actions the one before it is repeated in
    a frame. episodic_life ends a training's episode at the loss of a life and reward_clip limits what it learns
    from to [-1, 1]; scores are of whole games, unclipped, all the same. A game starts with up to noop_max frames
    of doing nothing, and with the fire button if fire_reset. size: height and width. max_frames: of a game.
    """

    kind: Literal["atari"] = "atari"
    game: str = "breakout"
    protocol: Literal["mnih", "machado", "paper"] = "mnih"
    frame_skip: Annotated[int, Field(ge=1, le=60)] = 4
    sticky_actions: Annotated[float, Field(ge=0, lt=1)] = 0.0
    episodic_life: bool = True
    reward_clip: bool = True
    noop_max: Annotated[int, Field(ge=0, le=1000)] = 30
    fire_reset: bool = True
    full_action_set: bool = False
    frame_stack: Annotated[int, Field(ge=1, le=16)] = 4
    grayscale: bool = True
    size: tuple[Pixels, Pixels] = (84, 84)
    max_frames: Annotated[int, Field(ge=1, le=10**8)] = 108_000

    score: ClassVar[str] = "return/train"
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("conv",)
    algorithms: ClassVar[tuple[str, ...]] = ("a2c", "ppo")
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # As Stable-Baselines3 tunes them, and the Atari settings of CleanRL.
        "a2c": {
            "length": 10_000_000, "environments": 16, "n_steps": 5, "learning_rate": 7e-4, "epsilon": 1e-5,
            "value_weight": 0.25, "max_gradient_norm": 0.5, "record_every": 50_000, "checkpoint_every": 1_000_000,
        },
        "ppo": {
            "length": 10_000_000, "environments": 8, "n_steps": 128, "learning_rate": 2.5e-4, "epochs": 4,
            "minibatches": 4, "clip": 0.1, "value_clip": 0.1, "entropy_weight": 0.01, "record_every": 50_000,
            "checkpoint_every": 1_000_000, "normalise_observations": False, "normalise_returns": False,
        },
    }  # fmt: skip

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """See TaskSection: with what its protocol sets."""
        protocol = fields.get("protocol")
        return {**PROTOCOLS.get(protocol, {}), **fields} if isinstance(protocol, str) else fields

    @field_validator("game")
    @classmethod
    def _as_rom(cls, game: str) -> str:
        return rom_name(game)

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.max_frames < self.frame_skip:
            raise ValueError(f"max_frames {self.max_frames}: accepted are at least frame_skip = {self.frame_skip}")
        return self

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.game

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an observation: channels, height, width."""
        return self.frame_stack * (1 if self.grayscale else 3), *self.size


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


Task = Annotated[
    ControlTask | AtariTask | LanguageModelTask | TranslationTask,
    Field(discriminator="kind"),
]
