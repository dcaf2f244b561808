"""The teacher of an imitation: read from an exported ticket, or trained as the dense network of a control job."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.experiment.teachers import experiment_of
from lth_core.experiment.ticket_files import read_card, read_observations, read_tensors
from lth_core.long_work import tell
from lth_core.models.actor_critic import ActorCriticNetwork
from lth_core.randomness import stream_seed
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.networks import MLP
from lth_core.text import one_line
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Weights
from lth_core.tickets.scope import prunable
from lth_core.training.reinforcement.families import ControlTraining
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Arrays, Start


@dataclass(frozen=True)
class TrainedTeacher:
    """A network, its weights, the statistics that its observations are normalised by (if they are), who it is."""

    model: ActorCriticNetwork
    weights: Weights
    statistics: Weights
    said: str


def find(task: ImitationTask, model: MLP) -> TrainedTeacher:
    """The teacher of a task whose students have this model. Raises InputError if it is not there or has changed."""
    if task.teacher.job is not None:
        raise InputError(f"task.teacher.job = {task.teacher.job}: is looked up in the workspace when it is queued")
    if task.teacher.path is None:
        return _trained(task, model)
    return _of_trial(task) if task.teacher.model is not None else _of_ticket(task)


def _of_trial(task: ImitationTask) -> TrainedTeacher:
    """From the file of a trial of the workspace."""
    from safetensors.torch import load

    teacher, path = task.teacher, Path(str(task.teacher.path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"task.teacher.path = {one_line(path)}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != teacher.digest:
        raise InputError(f"task.teacher.path = {one_line(path)}: changed since the job was queued (checksum)")
    arrays = load(content)
    own = Experiment(name="teacher", task=task.environment_alone, model=teacher.model or MLP(), seeds=(0,))
    network = cast(ActorCriticNetwork, ControlTraining().network(own))
    final = {name.removeprefix("final/"): one for name, one in arrays.items() if name.startswith("final/")}
    weights = _of_its_network(final, network, path)
    seen = {name: arrays[f"statistics/{name}"] for name in ("mean", "variance") if f"statistics/{name}" in arrays}
    said = f"{teacher.arm}, round {teacher.round}, seed {teacher.seed} of the job with the file {teacher.digest[:12]}"
    return TrainedTeacher(network, weights, seen, said)


def _of_ticket(task: ImitationTask) -> TrainedTeacher:
    """From the folder of an exported ticket."""
    teacher = task.teacher
    card = read_card(Path(str(teacher.path)))
    if card.digest != teacher.digest:
        raise InputError(
            f"task.teacher.path = {one_line(teacher.path)}: changed since the job was queued: restore the folder, or "
            "queue the experiment again to use the ticket as it is now"
        )
    own = experiment_of(card)
    network = cast(ActorCriticNetwork, ControlTraining().network(own))
    found = {name: torch.from_numpy(array) for name, array in read_tensors(card, "trained").items()}
    seen = {name: torch.from_numpy(array) for name, array in read_observations(card).items() if name != "count"}
    said = f"{card.arm}, round {card.round}, seed {card.seed} of the ticket with card {card.digest[:12]}"
    return TrainedTeacher(network, _of_its_network(found, network, Path(str(teacher.path))), seen, said)


def _of_its_network(found: Weights, network: ActorCriticNetwork, path: Path) -> Weights:
    """Stored weights in the order of the network, or InputError: the environment may have other observations now."""
    for name, shape in network.shapes().items():
        if name not in found or found[name].shape != shape:
            was = tuple(found[name].shape) if name in found else "missing"
            raise InputError(
                f"task.teacher.path = {one_line(path)}: {name} is {was}, and the environment needs {tuple(shape)} now: "
                "expected a teacher of the same observations and actions"
            )
    return {name: found[name] for name in network.shapes()}


def recipe(task: ImitationTask, model: MLP) -> Experiment:
    """The control job whose dense network is the teacher, which has a recipe. model: of the students."""
    teacher = task.teacher
    assert teacher.training is not None  # noqa: S101 see find
    return Experiment(
        name="teacher", task=task.environment_alone, model=teacher.model or model, training=teacher.training,
        seeds=(teacher.seed,),
    )  # fmt: skip


def _trained(task: ImitationTask, model: MLP) -> TrainedTeacher:
    """Trained by its recipe, exactly as the dense run of a control job with the same settings and seed."""
    teacher, experiment = task.teacher, recipe(task, model)
    family = ControlTraining()
    network = cast(ActorCriticNetwork, family.network(experiment))
    shapes = network.shapes()
    mask = masks.full({name: shapes[name] for name in prunable(network.groups(), experiment.pruning)})
    weights = network.initialise(stream_seed(teacher.seed, "initialisation"))
    start = Start(teacher.seed, weights, mask, *experiment.span(DENSE))
    trial = RunningTrial(0, TrialKey(0, DENSE, teacher.seed), mask)
    end = _End()
    StackRun(experiment, family.stack(experiment, network, [start], "cpu"), [trial], end).run()
    if failed := [one for one in trial.checks if not one.passed]:
        raise InputError(f"task.teacher: its training fails the audit: {failed[0].name}: {failed[0].detail}")
    said = f"the dense network of seed {teacher.seed} trained by reward, {experiment.score} {trial.score:.6g}"
    seen = {name: one for name, one in trial.snapshots.get("statistics", {}).items() if name in ("mean", "variance")}
    return TrainedTeacher(network, end.weights, seen, said)


@dataclass
class _End:
    """The Sink of a teacher's training: keeps its weights."""

    weights: Weights = field(default_factory=dict)

    def metrics(self, trial: RunningTrial, step: int, values: dict[str, float]) -> None:
        """See Sink."""

    def finished(self, trial: RunningTrial, step: int, final: Weights, optimizer: dict[str, Weights]) -> None:
        """See Sink."""
        self.weights = final

    def failed(self, trial: RunningTrial, error: str) -> None:
        """See Sink."""
        raise InputError(f"task.teacher: its training failed: {error}")

    def checkpoint(self, step: int, arrays: Arrays, values: dict[str, Any]) -> None:
        """See Sink: a teacher that is interrupted is trained again."""

    def beat(self, fraction: float, rate: float, whole: float | None) -> None:
        """See Sink."""
        tell("training the teacher", fraction)

    def must_stop(self) -> bool:
        """See Sink."""
        return False
