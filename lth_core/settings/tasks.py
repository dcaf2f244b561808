"""Tasks: the kinds of `[task]`. Each names its score, and the networks and algorithms that fit it."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lth_core.settings.base import WHOLE, Share, TaskSection
from lth_core.settings.control import ControlTask
from lth_core.settings.games import rom_name
from lth_core.settings.images import ImagesTask
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.reinforcement import ALGORITHMS, PLASTICITY, RETURNS
from lth_core.settings.texts import LanguageModelTask, TranslationTask

Pixels = Annotated[int, Field(ge=16, le=512), WHOLE]

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
    episode_limit: ClassVar[str] = "max_frames"
    networks: ClassVar[tuple[str, ...]] = ("conv",)
    algorithms: ClassVar[tuple[str, ...]] = (*ALGORITHMS, "dqn")
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
        # As Stable-Baselines3 tunes it, but for a buffer of a tenth.
        "dqn": {
            "length": 10_000_000, "environments": 8, "train_every": 4, "gradient_steps": 8, "batch": 32,
            "replay": 10_000, "learning_starts": 10_000, "learning_rate": 1e-4, "target_every": 1_000,
            "exploration_end": 0.01, "exploration_fraction": 0.1, "record_every": 50_000,
            "checkpoint_every": 1_000_000, "greedy_episodes": 0,
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
    ControlTask | AtariTask | MinAtarTask | LanguageModelTask | TranslationTask | ImagesTask | ImitationTask,
    Field(discriminator="kind"),
]

BESIDE = (*RETURNS, LanguageModelTask.reference, ImagesTask.reference, *PLASTICITY)
"""Metrics that analyses read beside the score: another measure of the same, references, plasticity."""
