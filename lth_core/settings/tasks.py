"""What is learnt: the kinds of `[task]`. Each names its score, and the networks and algorithms that fit it."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import TaskSection


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


class AtariTask(TaskSection):
    """An Atari game from pixels."""

    kind: Literal["atari"] = "atari"
    game: str = "breakout"

    score: ClassVar[str] = "return/train"
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("conv",)
    algorithms: ClassVar[tuple[str, ...]] = ("a2c", "ppo")

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.game


class LanguageModelTask(TaskSection):
    """Predicting the next token of a text."""

    kind: Literal["language_model"] = "language_model"
    source: str = "builtin"

    score: ClassVar[str] = "perplexity/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = False
    networks: ClassVar[tuple[str, ...]] = ("lstm",)
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.source


class TranslationTask(TaskSection):
    """Translating sentences."""

    kind: Literal["translation"] = "translation"
    source: str = "builtin"

    score: ClassVar[str] = "bleu/test"
    curve: ClassVar[str] = "perplexity/valid"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("seq2seq",)
    algorithms: ClassVar[tuple[str, ...]] = ("supervised",)

    @property
    def subject(self) -> str:
        """See TaskSection."""
        return self.source


Task = Annotated[
    ControlTask | AtariTask | LanguageModelTask | TranslationTask,
    Field(discriminator="kind"),
]
