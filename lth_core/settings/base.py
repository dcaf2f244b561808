"""The base class of every table of an experiment file, and the number types of its fields."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: Any) -> Any:
    """1e6 counts as a whole number, since TOML has no other short form of it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Positive = Annotated[int, Field(gt=0, le=10**12), WHOLE]
# A layer of one unit would need a product with a single column, which rounds differently in a stack.
Width = Annotated[int, Field(ge=2, le=65_536), WHOLE]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Precision = Literal["float32", "tfloat32", "bfloat16"]
Contents = tuple[tuple[str, str], ...]
"""The SHA-256 of each file, by the field that names it and the file's role."""


class Section(BaseModel):
    """Base of every table of the file: immutable, strictly typed; unknown fields are errors.

    added: fields added by later versions. At its default, such a field is not part of an experiment's identity, so
    that experiments of older workspaces are still found. of_new: defaults for experiments read from a file, where the
    field's own default stands for what earlier versions did. places: fields that name files. If `contents` has a
    file's hash, the identity uses the hash instead of the name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    added: ClassVar[frozenset[str]] = frozenset()
    of_new: ClassVar[Mapping[str, Any]] = {}
    places: ClassVar[tuple[str, ...]] = ()

    def read_from(self, contents: Contents) -> list[str]:
        """The fields whose files are listed in `contents`."""
        return [
            place for place in self.places if any(name.split("/")[0].split(".")[0] == place for name, _ in contents)
        ]

    def identifying(self) -> dict[str, Any]:
        """The fields as JSON values, without added ones at their defaults, at any depth."""
        fields = self.model_dump(mode="json")
        read = self.read_from(getattr(self, "contents", ()))
        for name, value in self:
            if name in read:
                del fields[name]
                continue
            if name in self.added and value == type(self).model_fields[name].get_default(call_default_factory=True):
                del fields[name]
            elif isinstance(value, Section):
                fields[name] = value.identifying()
            elif isinstance(value, Mapping):
                fields[name] |= {key: one.identifying() for key, one in value.items() if isinstance(one, Section)}
        return fields


class TaskSection(Section):
    """Base of every kind of `[task]`.

    score: the metric that is stored of a finished trial, unless `[training]` names another (`TrainingSection.scored`).
    log_score: the metric that is its natural logarithm, where trials are compared by that; empty where they are
    compared by the score itself. reference: the metric that says what counts as nothing learnt, on the scale that
    trials are compared on; empty where none is measured. curve: the metric drawn during training. networks and
    algorithms: the kinds of `[model]` and `[training]` that fit, the default first. defaults: this task's own defaults
    of `[training]`, by algorithm.
    beside: what else is measured at the end, in the words of the protocol card.
    logarithmic: metrics drawn on a logarithmic axis, named by the part before the slash.
    large_tensors: whether huge pages speed up training on a CPU (measured).
    episode_limit: the field that limits the length of an episode; empty where there are none.
    """

    score: ClassVar[str]
    log_score: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    curve: ClassVar[str]
    higher_is_better: ClassVar[bool]
    networks: ClassVar[tuple[str, ...]]
    algorithms: ClassVar[tuple[str, ...]]
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    beside: ClassVar[str] = ""
    logarithmic: ClassVar[tuple[str, ...]] = ()
    large_tensors: ClassVar[bool] = False
    episode_limit: ClassVar[str] = ""

    @classmethod
    def judged(cls, score: float) -> float:
        """A stored score on the scale that trials are compared on; NaN where it has no logarithm."""
        if not cls.log_score:
            return score
        return math.log(score) if score > 0 else math.nan

    @classmethod
    def less_is_better(cls, metric: str) -> bool | None:
        """Of a recorded metric; None where neither is."""
        name = metric.partition("/")[0]
        if name in (cls.score.partition("/")[0], cls.log_score.partition("/")[0]):
            return not cls.higher_is_better
        if metric in ("loss/train", "loss/valid", "loss/test"):  # those of reinforcement learning have no better side
            return True
        return {
            "perplexity": True,
            "log_perplexity": True,
            "error": True,
            "divergence": True,
            "return": False,
            "accuracy": False,
            "bleu": False,
            "bleu-tokenised": False,
            "chrf": False,
        }.get(name)

    @classmethod
    def draws_log(cls, metric: str) -> bool:
        """Whether a metric is drawn on a logarithmic axis."""
        return metric.partition("/")[0] in cls.logarithmic

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of the file, completed with those that follow from others."""
        return fields

    @property
    def imports(self) -> tuple[str, ...]:
        """The foreign code that it names, in words."""
        return ()

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules among that code."""
        return ()

    @property
    @abstractmethod
    def subject(self) -> str:
        """The task in a word or two, for tables: an environment, a game, a corpus."""


class NetworkSection(Section):
    """Base of every kind of `[model]`.

    groups: names of parameter groups that can be pruned or kept. everything: sets of groups that leave nothing to
    prune if all of them are kept. largest_stack: most tickets trained together; stack_is_measured: they are stacked
    only if a measurement shows that it is faster. shares_device: whether several workers per GPU train faster than
    one, because they wait for their environments. own: whether the network consists of our own modules, or computes
    the same as one that does. widths: fields that a smaller network of the kind scales down; multiplier: the field that
    multiplies all of them, where there is one instead.
    """

    groups: ClassVar[tuple[str, ...]]
    everything: ClassVar[tuple[frozenset[str], ...]]
    largest_stack: ClassVar[int]
    stack_is_measured: ClassVar[bool] = False
    own: ClassVar[bool] = True
    widths: ClassVar[tuple[str, ...]] = ()
    multiplier: ClassVar[str] = ""
    shares_device: ClassVar[bool] = False

    @property
    def contained(self) -> tuple[tuple[frozenset[str], str], ...]:
        """Sets of groups with another group, all of whose parameters are in these."""
        return ()

    @property
    def pretrained(self) -> str | None:
        """The checkpoint that the dense run starts from, if any: a folder, or an id of the hub."""
        return None

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it trains faster on a machine with GPUs, comparing all CPU slots with all GPU slots."""
        return "cuda"

    @property
    @abstractmethod
    def summary(self) -> str:
        """A short description of the network."""

    @property
    @abstractmethod
    def computes(self) -> str:
        """What is computed with its parameters, in words, for those who rebuild it elsewhere."""


class TrainingSection(Section):
    """Base of every kind of `[training]`: length and its unit, learning rate, how often to record and checkpoint.

    length and the points of `[rewinding]` are counted in `unit`, per ticket; record_every and checkpoint_every in
    steps, which `steps` names. Each takes effect at the end of the first update that reaches it. learning_rate_end
    is the fraction of the learning rate at the end of a linear schedule. of_model: its own defaults of `[model]`.
    """

    of_model: ClassVar[Mapping[str, Any]] = {}
    unit: str
    length: Positive
    learning_rate: PositiveFloat
    learning_rate_schedule: str
    record_every: Positive
    checkpoint_every: Positive
    steps: ClassVar[str]

    def reached(self, point: int) -> int:
        """Where the first update that reaches a point of the training ends, in `unit`, as far as that is known before:
        games end where they end."""
        return point

    @property
    def rate_is_constant(self) -> bool:
        """Whether the learning rate is constant."""
        return self.learning_rate_schedule == "constant"

    @property
    def scored(self) -> tuple[str, ...]:
        """Metrics that are measures of the same: the score, then those that are compared with it. Empty where the task
        alone says what the score is."""
        return ()

    @property
    def evaluated(self) -> str:
        """The one of `scored` that is measured of the stored weights; empty where the task alone says it."""
        return ""

    @property
    def scored_over(self) -> str:
        """What the score is a mean of, in words; empty where its name says it."""
        return self.said(self.scored[0]) if self.scored else ""

    def said(self, metric: str) -> str:
        """What a metric of `scored` is a mean of, in words."""
        return metric
