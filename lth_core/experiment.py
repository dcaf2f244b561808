"""The experiment: its fields and defaults, what follows from them, canonical form and identity. Knows no files."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from lth_core import experiment_rules as rules
from lth_core.arms import BUILT_IN, DENSE, Arm
from lth_core.settings.base import WHOLE, Section, TaskSection
from lth_core.settings.launcher import Launcher, LocalLauncher
from lth_core.settings.networks import MLP, Model
from lth_core.settings.pruning import Criterion, Pruning, Rewinding
from lth_core.settings.reinforcement import A2C, PPO
from lth_core.settings.supervised import Supervised
from lth_core.settings.tasks import ControlTask, Task
from lth_core.settings.ticket import TicketSource
from lth_core.text import one_line

Training = Annotated[A2C | PPO | Supervised, Field(discriminator="algorithm")]


def _kinds(union: Any, field: str) -> dict[str, type[Section]]:
    return {kind.model_fields[field].default: kind for kind in get_args(get_args(union)[0])}


KINDS = {
    "task": _kinds(Task, "kind"),
    "model": _kinds(Model, "kind"),
    "training": _kinds(Training, "algorithm"),
    "launcher": _kinds(Launcher, "kind"),
}
"""The tables that come in several kinds: by table, then kind."""


def _with_kinds(fields: Mapping[str, Any]) -> dict[str, Any]:
    filled = {"task": {}, "model": {}, "training": {}, **fields}
    if isinstance(filled.get("launcher"), dict):
        filled["launcher"] = {"kind": "local", **filled["launcher"]}
    if isinstance(filled["task"], dict):
        filled["task"] = {"kind": "control", **filled["task"]}
        kind = filled["task"]["kind"]
        task = KINDS["task"].get(kind) if isinstance(kind, str) else None
        if task is not None and issubclass(task, TaskSection):
            filled["task"] = task.completed(filled["task"])
            firsts = (("model", "kind", task.networks[0]), ("training", "algorithm", task.algorithms[0]))
            for table, name, first in firsts:
                if isinstance(filled[table], dict):
                    filled[table] = {name: first, **filled[table]}
            if isinstance(filled["training"], dict):
                algorithm = filled["training"]["algorithm"]
                defaults = task.defaults.get(algorithm, {}) if isinstance(algorithm, str) else {}
                filled["training"] = {**defaults, **filled["training"]}
    return filled


def _refuse(value: Any) -> Any:
    raise ValueError(f"{one_line(value, 80)}: dates and times are not accepted")


class Experiment(Section):
    """One resolved experiment; equal files give equal values, and an equal `identity`."""

    name: str
    task: Task = ControlTask()
    model: Model = MLP()
    training: Training = A2C()
    pruning: Pruning = Pruning()
    rewinding: Rewinding = Rewinding()
    arms: Annotated[tuple[str, ...], Field(min_length=1)] = ("winning", "random")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**62), WHOLE], ...], Field(min_length=1, max_length=1000)]
    arm: dict[str, Arm] = Field(default_factory=dict)
    ticket: TicketSource | None = None
    launcher: Launcher = LocalLauncher()

    def arm_named(self, name: str) -> Arm:
        """The definition of an arm: the file's own `[arm.NAME]` first, then the built-in ones."""
        return self.arm[name] if name in self.arm else BUILT_IN[name]

    def canonical(self) -> str:
        """Canonical JSON: every field with its value, keys sorted, no spaces."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON without name and launcher, and without the place of a ticket, whose content is
        in it: the same experiment, whatever it is called and wherever it runs, is one."""
        fields = {key: value for key, value in self.identifying().items() if key not in ("name", "launcher")}
        if self.ticket is not None:
            del fields["ticket"]["path"]
        return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """From plain data, as a TOML file has it; a table without its kind gets the one that goes with the task.

        Raises pydantic.ValidationError, or ValueError for what JSON has no form of.
        """
        return cls.model_validate_json(json.dumps(_with_kinds(fields), default=_refuse))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild from `canonical()`; raises pydantic.ValidationError on anything else."""
        return cls.model_validate_json(text)

    def schedule_of(self, arm: str) -> Literal["start", "rewind", "end"]:
        """Where the arm's schedule starts, `experiment` resolved."""
        schedule = self.arm_named(arm).schedule
        return self.rewinding.schedule if schedule == "experiment" else schedule

    def criterion_of(self, arm: str) -> Criterion:
        """By what an arm that prunes ranks its entries, `experiment` resolved."""
        own = self.arm_named(arm).criterion
        return self.pruning.criterion if own == "experiment" else own

    def described(self, arm: str) -> str:
        """What an arm is, in a few words."""
        definition = self.arm_named(arm)
        mask = definition.mask + (f" of {definition.of}" if definition.borrows_mask else "")
        if definition.mask == "smaller":
            return f"a smaller network with the parameters of {definition.of}, schedule {self.schedule_of(arm)}"
        if definition.prunes:
            at = {"experiment": "", "init": " at initialisation", "rewind": " at the rewind point"}[definition.at]
            mask += f" by {self.criterion_of(arm)}{at}"
        return f"mask {mask}, weights {definition.weights}, schedule {self.schedule_of(arm)}"

    def rounds_of(self, arm: str) -> tuple[int, ...]:
        """The rounds from 1 on that an arm is trained at: of imported masks, those that there are tickets for."""
        definition = self.arm_named(arm)
        if definition.mask == "imported":
            return self.ticket.rounds if self.ticket is not None else ()
        return self.rounds_of(definition.of) if definition.borrows_mask else tuple(range(1, self.pruning.rounds + 1))

    @property
    def reference(self) -> str:
        """The arm that verdicts and audits compare with: `winning`, or else the first of the experiment's network."""
        own = (arm for arm in self.arms if self.arm_named(arm).mask != "smaller")
        return "winning" if "winning" in self.arms else next(own, self.arms[0])

    def compared_with(self, arm: str) -> str | None:
        """The arm that `arm` is a control of: the one it borrows its mask or its size from, else the reference."""
        definition = self.arm_named(arm)
        if definition.refers:
            return definition.of
        return None if arm == self.reference else self.reference

    def span(self, arm: str) -> tuple[int, int]:
        """First and last value of the training counter (in `training.unit`) of a trial of `arm`."""
        length, point = self.training.length, self.rewinding.weights
        if arm == DENSE:
            return 0, length
        schedule = self.schedule_of(arm)
        return {"start": (0, length), "rewind": (point, length), "end": (length, 2 * length)}[schedule]

    @model_validator(mode="after")
    def _rules(self) -> Self:
        rules.check(self)
        return self
