"""What a teacher has played, once: states and the distributions of its actions. In the cache, with checksums."""

from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.long_work import tell
from lth_core.models.flat import flatten
from lth_core.randomness import stream, stream_seed
from lth_core.settings.imitation import ENVIRONMENTS, SET_ASIDE, ImitationTask
from lth_core.settings.networks import MLP
from lth_core.tasks.families import family_of
from lth_core.tasks.text import cache
from lth_core.tickets.mask import Weights
from lth_core.training.imitation import teacher
from lth_core.training.imitation.divergence import targets_of
from lth_core.training.imitation.teacher import TrainedTeacher
from lth_core.training.reinforcement.policy import policy
from lth_core.training.stack import Array

KIND, FORMAT = "teachers", 1
_VERSIONS = ("torch", "numpy", "gymnasium")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Played:
    """states (n, D) as the environment shows them and targets (n, A), by part; see divergence.

    deviations: (A,) of continuous actions. mean, variance: (D,) what the teacher's observations were normalised by.
    """

    train: tuple[Floats, Floats]
    valid: tuple[Floats, Floats]
    deviations: Floats | None
    mean: Array | None
    variance: Array | None
    summary: str

    def normalised(self, states: Array) -> Array:
        """States as a network receives them: as the teacher did."""
        if self.mean is None or self.variance is None:
            return states
        found: Floats = np.clip((states - self.mean) / np.sqrt(self.variance + 1e-8), -10.0, 10.0).astype(np.float32)
        return found

    @property
    def statistics(self) -> Weights:
        """What `normalised` uses, by name."""
        named = {"mean": self.mean, "variance": self.variance}
        return {name: torch.from_numpy(one) for name, one in named.items() if one is not None}


def to_be_trained(task: ImitationTask, model: MLP) -> Experiment | None:
    """The training of the teacher that comes before the first ticket; None if there is none, or it is done."""
    if task.teacher.training is None or cache.has(KIND, cache.key(_facts(task, model))):
        return None
    return teacher.recipe(task, model)


def load(task: ImitationTask, model: MLP) -> Played:
    """What the teacher has played, now or before. model: of the students. Raises InputError without a teacher."""
    return _load(task.model_dump_json(), model.model_dump_json())


@lru_cache(maxsize=2)
def _load(task_json: str, model_json: str) -> Played:
    task, model = ImitationTask.model_validate_json(task_json), MLP.model_validate_json(model_json)
    folder, card = cache.prepared(KIND, cache.key(_facts(task, model)), lambda folder: _make(folder, task, model))
    arrays = {name.removesuffix(".npy"): np.load(folder / name) for name in card["files"]}
    # A step of all environments after the other: see `_make`.
    aside = np.arange(len(arrays["states"])) % ENVIRONMENTS >= ENVIRONMENTS - SET_ASIDE
    train, valid = ((arrays["states"][own], arrays["targets"][own]) for own in (~aside, aside))
    digest = cache.key({"files": card["files"]})
    summary = (
        f"{len(train[0]):,} states of {task.subject} and {len(valid[0]):,} for validation, played by {card['teacher']} "
        f"with a mean return of {card['return']:.6g} over {card['episodes']} episodes ({digest})"
    )
    return Played(
        train, valid, arrays.get("deviations"), arrays.get("mean"), arrays.get("variance"), summary
    )  # fmt: skip


def _facts(task: ImitationTask, model: MLP) -> dict[str, Any]:
    """All facts that determine what is played."""
    return {
        "format": FORMAT, "environment": task.environment_alone.identifying(), "teacher": task.teacher.identifying(),
        "model": model.identifying() if task.teacher.training is not None else None, "states": task.states,
        "versions": {name: metadata.version(name) for name in _VERSIONS},
    }  # fmt: skip


def _make(folder: Path, task: ImitationTask, model: MLP) -> dict[str, Any]:
    """Find the teacher, let it play, write what it did as arrays."""
    found = teacher.find(task, model)
    arrays, returns = play(task, found)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return {"teacher": found.said, "return": float(np.mean(returns)) if returns else 0.0, "episodes": len(returns)}


@torch.no_grad()
def play(task: ImitationTask, found: TrainedTeacher) -> tuple[dict[str, Array], list[float]]:
    """Arrays by name, a step of all environments after the other, and the returns of the episodes that ended.

    Raises InputError for an environment that fails.
    """
    model, seed = found.model, task.teacher.seed
    made = family_of(task).environments(task, [stream_seed(seed, "teacher")], ENVIRONMENTS)
    numbers = stream(seed, "teacher", "actions")
    flat = model.packed(flatten(found.weights, model.shapes())[None])
    layers, log_std = model.layers(flat), model.log_std(flat)
    choose = policy(log_std, model.parts, model.actions)
    statistics = {name: one.double().numpy() for name, one in found.statistics.items()}
    seeing = Played((_NONE, _NONE), (_NONE, _NONE), None, statistics.get("mean"), statistics.get("variance"), "")
    states, targets, returns, running = [], [], [], np.zeros(ENVIRONMENTS)
    seen = made.reset()
    steps = -(-task.states // ENVIRONMENTS)
    for number in range(steps):
        tell("the teacher plays", number / steps)
        heads = model.forward(layers, torch.from_numpy(seeing.normalised(seen)))[-1].numpy()[..., :-1]
        states.append(seen[0].copy())
        targets.append(targets_of(heads, model.parts, made.continuous, made.valid)[0].copy())
        step = made.step(choose.sample(heads, choose.noise(numbers, ENVIRONMENTS)[None], made.valid))
        seen = step.observations
        rewards, ended = step.scored
        running += rewards[0]
        returns += running[ended[0]].tolist()
        running[ended[0]] = 0.0
        if faults := made.faults():
            raise InputError(f"task.teacher: while it played: {faults[0]}")
    arrays: dict[str, Array] = {"states": np.concatenate(states), "targets": np.concatenate(targets), **statistics}
    if log_std is not None:
        arrays["deviations"] = log_std[0].exp().numpy()
    return arrays, returns


_NONE: Floats = np.zeros((0, 0), np.float32)
