"""Base of every table of an experiment file, and the kinds of numbers that its fields take. Knows no task."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: Any) -> Any:
    """1e6 is a whole number: TOML has no other short form of it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
Positive = Annotated[int, Field(gt=0, le=10**12), WHOLE]
# A layer of one unit would be a product with a single column, which rounds differently alone than in a stack.
Width = Annotated[int, Field(ge=2, le=65_536), WHOLE]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Precision = Literal["float32", "tfloat32", "bfloat16"]
Contents = tuple[tuple[str, str], ...]
"""What files hold: by the field that names them and what they are, the SHA-256."""


class Section(BaseModel):
    """Base of every table of the file: immutable, strict about types, unknown fields refused.

    added: fields that a later version brought. At its default such a field is no part of an experiment's identity, so
    that experiments of older workspaces are still found. places: fields that name files; where `contents` says what
    these hold, that is part of the identity in their stead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    added: ClassVar[frozenset[str]] = frozenset()
    places: ClassVar[tuple[str, ...]] = ()

    def read_from(self, contents: Contents) -> list[str]:
        """The fields that name the files of these contents."""
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

    score: the metric that a finished trial is judged by; curve: the one drawn while it trains. networks and
    algorithms: the kinds of `[model]` and `[training]` that fit, the default first. defaults: fields of `[training]`,
    by algorithm, that this task starts from where the file leaves them out.
    beside: what else is measured at the end, as the protocol card says it.
    logarithmic: metrics that are drawn on a logarithmic axis, by what stands before the slash.
    large_tensors: whether training is faster on a CPU with huge pages (measured).
    """

    score: ClassVar[str]
    curve: ClassVar[str]
    higher_is_better: ClassVar[bool]
    networks: ClassVar[tuple[str, ...]]
    algorithms: ClassVar[tuple[str, ...]]
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    beside: ClassVar[str] = ""
    logarithmic: ClassVar[tuple[str, ...]] = ()
    large_tensors: ClassVar[bool] = False

    @classmethod
    def draws_log(cls, metric: str) -> bool:
        """Whether a metric is drawn on a logarithmic axis."""
        return metric.partition("/")[0] in cls.logarithmic

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The table's fields as the file has them, with those that follow from others."""
        return fields

    @property
    def imports(self) -> tuple[str, ...]:
        """The code of others that it names, in words."""
        return ()

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules among it."""
        return ()

    @property
    @abstractmethod
    def subject(self) -> str:
        """What the task is about in a word or two, as tables show it: an environment, a game, a corpus."""


class NetworkSection(Section):
    """Base of every kind of `[model]`.

    groups: names by which parameters are pruned or kept. everything: sets of groups that leave nothing to prune
    when all of them are kept. largest_stack: tickets that are trained together at most; stack_is_measured: only
    where a measurement says that it pays, one by one elsewhere. shares_device: workers beside each other on a GPU train
    more than one does, because they wait for their environments. own: whether the network is made of our own modules,
    or computes the same as one that is. widths: fields that a smaller network of the kind has less of.
    """

    groups: ClassVar[tuple[str, ...]]
    everything: ClassVar[tuple[frozenset[str], ...]]
    largest_stack: ClassVar[int]
    stack_is_measured: ClassVar[bool] = False
    own: ClassVar[bool] = True
    widths: ClassVar[tuple[str, ...]] = ()
    shares_device: ClassVar[bool] = False

    @property
    def pretrained(self) -> str | None:
        """The checkpoint that the dense run starts from, if any: a folder, or an id of the hub."""
        return None

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it trains faster on a machine that has GPUs, all slots of a kind taken together."""
        return "cuda"

    @property
    @abstractmethod
    def summary(self) -> str:
        """The network in a few words."""


class TrainingSection(Section):
    """Base of every kind of `[training]`: how long, in which unit, how fast, and what is kept on the way.

    length, and the points of `[rewinding]`, count what `unit` says of one ticket; record_every and
    checkpoint_every count its steps, which `steps` names. Each is reached at the end of the first update at or
    after it. learning_rate_end is the fraction left at the end of a linear schedule.
    """

    unit: str
    length: Positive
    learning_rate: PositiveFloat
    learning_rate_schedule: str
    record_every: Positive
    checkpoint_every: Positive
    steps: ClassVar[str]

    @property
    def rate_is_constant(self) -> bool:
        """Whether the learning rate is the same at every point of the training."""
        return self.learning_rate_schedule == "constant"
