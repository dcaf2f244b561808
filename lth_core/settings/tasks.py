"""Tasks: the kinds of `[task]`. Each names its score, and the networks and algorithms that fit it."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lth_core.settings.base import WHOLE, Contents, Positive, Share, TaskSection
from lth_core.settings.code import Arguments, EnvironmentName, Named, Wrapped, named
from lth_core.settings.games import rom_name
from lth_core.settings.images import ImagesTask
from lth_core.settings.reinforcement import ALGORITHMS, RETURNS
from lth_core.settings.texts import LanguageModelTask, TranslationTask

Pixels = Annotated[int, Field(ge=16, le=512), WHOLE]


class ControlTask(TaskSection):
    """Control from vector observations: an environment registered with gymnasium, one of an installed package
    (MODULE:NAME, such as "minigrid:MiniGrid-Empty-5x5-v0"), or a class in your own file (PATH.py:NAME, relative to
    the working folder).

    arguments: keyword arguments of its constructor. wrappers: MODULE:NAME or PATH.py:NAME, each wrapped around those
    before it; with arguments, { name = ..., arguments = { ... } }. leave_out: entries of a Dict observation to hide
    from the network. time_limit: steps after which an episode is truncated, replacing the environment's own limit; the
    value of the last state is bootstrapped, as with any time limit. contents: filled in when the file is read, with the
    SHA-256 of each Python file.
    """

    kind: Literal["control"] = "control"
    environment: EnvironmentName = "CartPole-v1"
    arguments: Arguments = Field(default_factory=dict)
    wrappers: tuple[Wrapped, ...] = ()
    leave_out: tuple[str, ...] = ()
    time_limit: Positive | None = None
    contents: Contents = ()

    added: ClassVar[frozenset[str]] = frozenset({"arguments", "wrappers", "leave_out", "time_limit", "contents"})
    score: ClassVar[str] = RETURNS[0]
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("mlp",)
    algorithms: ClassVar[tuple[str, ...]] = ALGORITHMS

    @property
    def code(self) -> dict[str, Named]:
        """The code to import, by the field that names it."""
        wrappers = {f"wrappers.{place}": one.name for place, one in enumerate(self.wrappers)}
        found = {field: named(text) for field, text in {"environment": self.environment, **wrappers}.items()}
        return {field: one for field, one in found.items() if one is not None}

    @property
    def imports(self) -> tuple[str, ...]:
        """See TaskSection."""
        return tuple(dict.fromkeys(one.imports for one in self.code.values()))

    @property
    def modules(self) -> tuple[str, ...]:
        """See TaskSection."""
        return tuple(dict.fromkeys(one.place for one in self.code.values() if not one.is_file))

    def identifying(self) -> dict[str, Any]:
        """See Section: a Python file is identified by its content, not by its path."""
        fields = super().identifying()
        for field, one in self.code.items():
            if one.is_file and field == "environment":
                fields[field] = f".py:{one.name}"
            elif one.is_file:
                fields["wrappers"][int(field.partition(".")[2])]["name"] = f".py:{one.name}"
        return fields

    @property
    def changes(self) -> str:
        """How it differs from the original environment, in a few words; empty if it does not."""
        told = [f"{name}={json.dumps(value)}" for name, value in self.arguments.items()]
        told += [one.short.rpartition(":")[2] for field, one in self.code.items() if field != "environment"]
        told += [f"without {name}" for name in self.leave_out]
        return ", ".join([*told, *([f"{self.time_limit} steps"] if self.time_limit is not None else [])])

    @property
    def subject(self) -> str:
        """See TaskSection."""
        own = named(self.environment)
        name = own.short if own is not None else self.environment
        return f"{name} ({self.changes})" if self.changes else name


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
"""The fields that each Atari protocol sets; all others are as in `mnih`, the defaults of AtariTask."""


class AtariTask(TaskSection):
    """An Atari game from pixels, by its ROM name in any spelling.

    protocol sets the defaults of the other fields: `mnih` is Mnih et al. 2015 as most programs implement it today;
    `machado`, the recommendations of Machado et al. 2018; `paper`, what is known of Yu et al. 2020.
    An action is repeated for frame_skip frames; in each frame, with probability sticky_actions, the previous action is
    used instead. For training only, episodic_life ends an episode when a life is lost, and reward_clip clips rewards to
    [-1, 1]; scores are of whole games, unclipped. A game starts with up to noop_max frames without action, and with the
    fire button if fire_reset. size: height and width. max_frames: most frames of a game.
    """

    kind: Literal["atari"] = "atari"
    game: str = "breakout"
    protocol: Literal["mnih", "machado", "paper"] = "mnih"
    frame_skip: Annotated[int, Field(ge=1, le=60), WHOLE] = 4
    sticky_actions: Share = 0.0
    episodic_life: bool = True
    reward_clip: bool = True
    noop_max: Annotated[int, Field(ge=0, le=1000), WHOLE] = 30
    fire_reset: bool = True
    full_action_set: bool = False
    frame_stack: Annotated[int, Field(ge=1, le=16), WHOLE] = 4
    grayscale: bool = True
    size: tuple[Pixels, Pixels] = (84, 84)
    max_frames: Annotated[int, Field(ge=1, le=10**8), WHOLE] = 108_000

    score: ClassVar[str] = RETURNS[0]
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("conv",)
    algorithms: ClassVar[tuple[str, ...]] = ALGORITHMS
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # As Stable-Baselines3 tunes them, and the Atari settings of CleanRL.
        "a2c": {
            "length": 10_000_000, "environments": 16, "n_steps": 5, "learning_rate": 7e-4, "epsilon": 1e-5,
            "value_weight": 0.25, "max_gradient_norm": 0.5, "record_every": 50_000, "checkpoint_every": 1_000_000,
            "greedy_episodes": 0,
        },
        "ppo": {
            "length": 10_000_000, "environments": 8, "n_steps": 128, "learning_rate": 2.5e-4, "epochs": 4,
            "minibatches": 4, "clip": 0.1, "value_clip": 0.1, "entropy_weight": 0.01, "record_every": 50_000,
            "checkpoint_every": 1_000_000, "normalise_observations": False, "normalise_returns": False,
            "greedy_episodes": 0,
        },
    }  # fmt: skip

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """See TaskSection: completed with the fields that its protocol sets."""
        protocol = fields.get("protocol")
        return {**PROTOCOLS.get(protocol, {}), **fields} if isinstance(protocol, str) else fields

    @field_validator("game")
    @classmethod
    def _as_rom(cls, game: str) -> str:
        return rom_name(game)

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.max_frames < self.frame_skip:
            raise ValueError(f"max_frames {self.max_frames}: expected at least frame_skip = {self.frame_skip}")
        return self

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.game

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an observation: channels, height, width."""
        return self.frame_stack * (1 if self.grayscale else 3), *self.size


Task = Annotated[
    ControlTask | AtariTask | LanguageModelTask | TranslationTask | ImagesTask,
    Field(discriminator="kind"),
]

BESIDE = (*RETURNS, LanguageModelTask.reference, ImagesTask.reference)
"""Metrics that analyses read beside the score: another measure of the same, and references."""
