"""The tables of an experiment with their fields and defaults, and which kind of each goes with a task."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from lth_core.experiment.arms import BUILT_IN, DENSE, Arm
from lth_core.settings.base import WHOLE, Section, TaskSection, TrainingSection
from lth_core.settings.control import ControlTask
from lth_core.settings.imitation import Cloning
from lth_core.settings.launcher import Launcher, LocalLauncher
from lth_core.settings.networks import MLP, Model
from lth_core.settings.pruning import Criterion, Pruning, Rewinding
from lth_core.settings.reinforcement import A2C, ActorCriticAlgorithm
from lth_core.settings.soft import SAC
from lth_core.settings.supervised import Supervised
from lth_core.settings.tasks import Task
from lth_core.settings.ticket import TicketSource
from lth_core.settings.values import DQN

Training = Annotated[ActorCriticAlgorithm | DQN | SAC | Supervised | Cloning, Field(discriminator="algorithm")]


def _kinds(union: Any, field: str) -> dict[str, type[Section]]:
    return {kind.model_fields[field].default: kind for kind in get_args(get_args(union)[0])}


KINDS = {
    "task": _kinds(Task, "kind"),
    "model": _kinds(Model, "kind"),
    "training": _kinds(Training, "algorithm"),
    "launcher": _kinds(Launcher, "kind"),
}
"""The tables that come in several kinds: by table, then kind."""


def with_kinds(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with the kind of each table that has several; what a task implies, where nothing else is said."""
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
                if isinstance(algorithm, str) and algorithm in KINDS["training"]:
                    of_new = KINDS["training"][algorithm].of_new
                    filled["training"] = {**of_new, **task.defaults.get(algorithm, {}), **filled["training"]}
                    filled["model"] = _with_defaults(filled["model"], KINDS["training"][algorithm])
    return filled


def _with_defaults(model: Any, training: type[Section]) -> Any:
    """The table `[model]` with the training's own defaults, of fields that its kind has."""
    kind = model.get("kind") if isinstance(model, dict) else None
    if not (isinstance(kind, str) and kind in KINDS["model"] and issubclass(training, TrainingSection)):
        return model
    known = KINDS["model"][kind].model_fields
    return {**{name: value for name, value in training.of_model.items() if name in known}, **model}


class Tables(Section):
    """What an experiment's file says, each value by itself; see `rules` for those that must fit each other.

    name: what lists and reports call the job. arms: what is trained after each pruning: built-in arms, or those of
    tables [arm.NAME]. seeds: of each, a dense network and its tickets are trained (a count such as 8 means 0 to 7).
    """

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

    @property
    def steps_on_device(self) -> bool:
        """Whether environments are stepped where the network trains; see `training.environments_on`."""
        return getattr(self.training, "environments_on", "host") == "device"

    @property
    def trains_on(self) -> Literal["cpu", "cuda"]:
        """Where it trains on a machine with GPUs, unless `launcher.device` says."""
        return "cuda" if self.steps_on_device else self.model.device

    @property
    def score(self) -> str:
        """The metric that is stored of a finished trial."""
        return (*self.training.scored, self.task.score)[0]

    @property
    def evaluated(self) -> str:
        """The measure of the score that follows from the stored weights alone: the score, unless training gave it."""
        return self.training.evaluated or self.task.score

    @property
    def judged_by(self) -> str:
        """The metric that trials are compared by: the score or its logarithm."""
        return self.task.log_score or self.score

    def arm_named(self, name: str) -> Arm:
        """The definition of an arm: the file's own `[arm.NAME]` first, then the built-in ones."""
        return self.arm[name] if name in self.arm else BUILT_IN[name]

    def schedule_of(self, arm: str) -> Literal["start", "rewind", "end"]:
        """Where the arm's schedule starts, `experiment` resolved."""
        schedule = self.arm_named(arm).schedule
        return self.rewinding.schedule if schedule == "experiment" else schedule

    def criterion_of(self, arm: str) -> Criterion:
        """By what an arm that prunes ranks its entries, `experiment` resolved."""
        own = self.arm_named(arm).criterion
        return self.pruning.criterion if own == "experiment" else own

    @property
    def rewind_point(self) -> int:
        """Where the rewind weights are taken, in `training.unit`: at the end of the first update that reaches
        `rewinding.weights`. Of games it is known only by the run, and this is the point that is asked for."""
        return self.training.reached(self.rewinding.weights)

    def span(self, arm: str) -> tuple[int, int]:
        """First and last value of the training counter (in `training.unit`) of a trial of `arm`.

        Below zero, training is as that of the dense run from its start (see `Stack.position`).
        """
        length, point = self.training.length, self.rewind_point
        if arm == DENSE:
            return 0, length
        schedule = self.schedule_of(arm)
        first, last = {"start": (0, length), "rewind": (point, length), "end": (length, 2 * length)}[schedule]
        if not (self.rewinding.equal_training and self.evens_out(arm)):
            return first, last
        return (first, last + point) if schedule == "end" else (first - point, last)

    def evens_out(self, arm: str) -> bool:
        """Whether the arm starts from untrained weights, so that `rewinding.equal_training` lengthens its training."""
        return self.arm_named(arm).weights in ("init", "fresh", "signed", "constant")
