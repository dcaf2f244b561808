"""The experiment: its fields, defaults and rules, its canonical form and its identity. Knows no files, no torch."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from lth_core.arms import BUILT_IN, DENSE, Arm
from lth_core.settings.base import Section, TaskSection
from lth_core.settings.launcher import Launcher, LocalLauncher
from lth_core.settings.networks import MLP, Model
from lth_core.settings.pruning import Criterion, Pruning, Rewinding
from lth_core.settings.reinforcement import A2C, PPO
from lth_core.settings.supervised import Supervised
from lth_core.settings.tasks import AtariTask, ControlTask, Task
from lth_core.settings.ticket import TicketSource
from lth_core.text import did_you_mean, is_name, one_line

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
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**62)], ...], Field(min_length=1, max_length=1000)]
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
        fields = self.model_dump(mode="json", exclude={"name": True, "launcher": True, "ticket": {"path"}})
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
        for check in (
            self._check_kinds, self._check_names, self._check_groups, self._check_points, self._check_arms,
            self._check_ticket,
        ):  # fmt: skip
            check()
        return self

    def _check_kinds(self) -> None:
        task = self.task
        if self.model.kind not in task.networks:
            raise ValueError(
                f'model.kind "{self.model.kind}" does not fit task.kind "{task.kind}": '
                f"accepted is {' or '.join(task.networks)}"
            )
        if self.training.algorithm not in task.algorithms:
            raise ValueError(
                f'training.algorithm "{self.training.algorithm}" does not fit task.kind "{task.kind}": '
                f"accepted is {' or '.join(task.algorithms)}"
            )
        if isinstance(task, AtariTask) and isinstance(self.training, PPO) and self.training.normalise_observations:
            raise ValueError(
                "training.normalise_observations true: accepted is false with pixels, which the network scales itself"
            )

    def _check_names(self) -> None:
        for field, name in [("name", self.name), *(("arm", name) for name in self.arm)]:
            if not is_name(name):
                raise ValueError(f"{field} {json.dumps(name)}: accepted are up to 80 letters, digits, '_', '-' and '.'")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {list(self.seeds)}: every seed may stand once")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError(f"arms {list(self.arms)}: every arm may stand once")

    def _check_groups(self) -> None:
        known = self.model.groups
        fresh = () if self.ticket is None else self.ticket.fresh
        fields = (("pruning.keep", self.pruning.keep), ("pruning.fractions", self.pruning.fractions))
        for field, names in (*fields, ("ticket.fresh", fresh)):
            for name in names:
                if name not in known:
                    raise ValueError(
                        f'{field} "{name}" is no parameter group of {self.model.kind}: '
                        f"accepted are {', '.join(known)}{did_you_mean(name, known)}"
                    )
        kept = set(self.pruning.keep)
        for everything in self.model.everything:
            if everything <= kept:
                raise ValueError(f"pruning.keep {sorted(kept)} leaves nothing to prune")
        if self.pruning.fractions and self.pruning.scope != "layerwise":
            raise ValueError('pruning.fractions needs pruning.scope = "layerwise"')

    def _check_points(self) -> None:
        length = self.training.length
        if self.rewinding.weights >= length:
            raise ValueError(
                f"rewinding.weights {self.rewinding.weights}: accepted are points before training.length {length}"
            )
        point = self.rewinding.prune_from
        if point != "final" and point > length:
            raise ValueError(f'rewinding.prune_from {point}: accepted are "final" and points up to {length}')
        for name in self.arms:
            if point != "final" and name in (*self.arm, *BUILT_IN) and self.span(name)[0] >= point:
                raise ValueError(
                    f'rewinding.prune_from {point}: arm "{name}" starts at {self.span(name)[0]} and never passes it'
                )

    def _check_arms(self) -> None:
        known = [*self.arm, *BUILT_IN]
        if DENSE in self.arm or DENSE in self.arms:
            raise ValueError(f'arm "{DENSE}" is the shared round 0 and always trained: it is not named')
        for name in self.arms:
            if name not in known:
                raise ValueError(
                    f'arms "{name}" is not defined: accepted are {", ".join(known)}, '
                    f"or a table [arm.NAME]{did_you_mean(name, known)}"
                )
        for name in self.arms:
            arm = self.arm_named(name)
            if arm.refers and arm.of not in self.arms:
                raise ValueError(f'arms: "{name}" derives its mask from "{arm.of}", which is not among the arms')
            lends = self.arm_named(arm.of).prunes or (arm.borrows_mask and self.arm_named(arm.of).mask == "imported")
            if arm.refers and not lends:
                raise ValueError(f'arm "{name}": of = "{arm.of}" has no mask of its own before it is trained')
            if arm.borrows_mask and arm.weights == "final":
                raise ValueError(f'arm "{name}": weights "final" need a mask from the arm\'s own pruning')
            if arm.weights in ("fresh", "signed", "constant") and self.schedule_of(name) == "end":
                raise ValueError(f'arm "{name}": {arm.weights} weights cannot start at the schedule\'s end')
            if arm.criterion != "experiment" and not arm.prunes:
                raise ValueError(f'arm "{name}": criterion is accepted with mask "iterative" or "one_shot"')
            if arm.at != "experiment" and arm.mask != "one_shot":
                raise ValueError(f'arm "{name}": at is accepted with mask "one_shot"')
            if arm.mask == "gradual" and arm.weights not in ("init", "rewind", "fresh", "final"):
                raise ValueError(
                    f'arm "{name}": weights "{arm.weights}" go with a mask: accepted are init, rewind, fresh'
                )
            if arm.mask == "smaller" and arm.weights != "fresh":
                raise ValueError(f'arm "{name}": weights "{arm.weights}" are another network\'s: accepted is fresh')
            if arm.mask == "smaller" and not self.model.own:
                raise ValueError(
                    f'arm "{name}": a smaller network of model.kind "{self.model.kind}" cannot be made: its widths are '
                    "its checkpoint's"
                )
            if arm.prunes and self.criterion_of(name) == "synflow" and not self.model.own:
                raise ValueError(
                    f'arm "{name}": criterion "synflow" needs a network of this program, model.kind '
                    f'"{self.model.kind}" is one of transformers: accepted are the other criteria'
                )
        self._check_distinct()

    def _check_ticket(self) -> None:
        used = [name for name in self.arms if "imported" in (self.arm_named(name).mask, self.arm_named(name).weights)]
        for name in used:
            arm = self.arm_named(name)
            if self.ticket is None:
                raise ValueError(f'arm "{name}" needs a ticket: accepted is ticket = "FOLDER"')
            if arm.weights == "imported" and arm.mask != "imported":
                raise ValueError(f'arm "{name}": weights "imported" go with mask "imported"')
        if self.ticket is not None and not (used or self.ticket.dense):
            raise ValueError(
                f'ticket "{self.ticket.path}" is used by nothing: accepted are an arm with mask "imported", such as '
                "imported or transferred, and ticket.dense = true"
            )
        if self.ticket is not None and self.ticket.dense and "{round}" in self.ticket.path:
            raise ValueError("ticket.dense true: accepted with a path without {round}: the dense run is round 0")

    def _check_distinct(self) -> None:
        seen: dict[tuple[Any, ...], str] = {}
        for name in self.arms:
            arm = self.arm_named(name)
            first, last = self.span(name)
            span = (0, last - first) if self.training.rate_is_constant else (first, last)
            of = arm.of if arm.refers else None
            weights = "init" if arm.weights == "rewind" and self.rewinding.weights == 0 else arm.weights
            same = seen.setdefault((*self._ranked(name), weights, span, of), name)
            # Two arms that draw their own random numbers are replicates, not copies.
            if (
                same != name
                and weights not in ("fresh", "shuffled")
                and not arm.mask.startswith(("random", "shuffled"))
            ):
                raise ValueError(
                    f'arms: "{name}" and "{same}" are the same arm with this [rewinding] '
                    f"(weights = {self.rewinding.weights}), learning-rate schedule and pruning.criterion"
                )

    def _ranked(self, name: str) -> tuple[str, ...]:
        """Where an arm's mask comes from, the same for two arms that get the same mask by other words."""
        arm = self.arm_named(name)
        if not arm.prunes:
            return (arm.mask,)
        # Magnitudes at initialisation do not change from round to round: pruned at once or bit by bit is the same.
        if self.criterion_of(name) == "magnitude_init":
            return ("one_shot", "magnitude", "init")
        at = "init" if arm.at == "rewind" and self.rewinding.weights == 0 else arm.at
        return (arm.mask, self.criterion_of(name), at)
