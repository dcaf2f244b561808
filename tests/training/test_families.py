"""Kinds of tasks and what can be done with each: supported, or refused in one sentence; nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from lth_core.analysis.network_graphs import graph_of
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.tables import KINDS
from lth_core.models.flow import flow_gradient
from lth_core.settings.tasks import Task
from lth_core.tasks import families as of_tasks
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.translation.grammar import sentences
from lth_core.tickets import mask as masks
from lth_core.training import families as of_trainings
from lth_core.training.family import TrainingFamily
from lth_core.training.loss_gradients import LossGradients
from lth_core.training.reinforcement.families import AtariTraining
from lth_core.training.stack import Start
from tests.tasks.images.pictures import npz

ACTING = {"length": 8, "environments": 2, "n_steps": 2, "minibatches": 1, "evaluation_episodes": 1}
TABLES: dict[str, dict[str, Any]] = {
    "control": {"model": {"hidden": [4]}, "training": ACTING},
    "imitation": {"model": {"hidden": [4]}, "training": {"length": 2, "batch": 4, "evaluation_episodes": 1},
                  "task": {"teacher": {"training": {**ACTING, "length": 64}}, "time_limit": 8, "states": 1000}},
    "atari": {"model": {"architecture": "small", "width": 0.1}, "training": ACTING,
              "task": {"max_frames": 8, "noop_max": 0}},
    "minatar": {"model": {"filters": 2, "hidden": [4]}, "training": ACTING, "task": {"time_limit": 8}},
    "language_model": {"model": {"embedding": 4, "hidden": 4}, "training": {"length": 2, "batch": 2},
                       "task": {"source": "files"}},
    "translation": {"model": {"width": 8, "feed_forward": 8, "heads": 2, "encoder_layers": 1, "decoder_layers": 1},
                    "training": {"length": 2, "batch": 200}, "task": {"source": "files", "vocabulary": 200}},
    "images": {"model": {"hidden": [4]}, "training": {"length": 2, "batch": 4}, "task": {"source": "files"}},
}  # fmt: skip
"""A small experiment of every kind."""
REFUSED = {
    ("control", "lesson"), ("control", "exchange"), ("imitation", "lesson"), ("imitation", "exchange"),
    ("atari", "lesson"), ("atari", "exchange"), ("minatar", "lesson"), ("minatar", "exchange"),
    ("language_model", "environments"), ("language_model", "watched"), ("language_model", "exchange"),
    ("translation", "environments"), ("translation", "watched"),
    ("images", "environments"), ("images", "watched"), ("images", "exchange"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def small(kind: str, folder: Path) -> Experiment:
    tables = {table: dict(fields) for table, fields in TABLES[kind].items()}
    task = {"kind": kind, **tables.pop("task", {})}
    if kind == "images":
        task["folder"] = str(npz(folder / "pictures.npz"))
    elif task.get("source") == "files":
        pairs, tab = list(sentences.pairs(30)), kind == "translation"
        for place, part in enumerate(("train", "valid", "test")):
            own = pairs[10 * place : 10 * place + 10]
            task[part] = str(folder / f"{part}{'.tsv' if tab else '.txt'}")
            Path(task[part]).write_text("".join("\t".join(pair if tab else pair[:1]) + "\n" for pair in own))
    return Experiment.from_fields({"name": "small", "seeds": [0], "task": task, "pruning": {"batches": 1}, **tables})


def abilities(experiment: Experiment, folder: Path) -> dict[str, Callable[[], Any]]:
    """All that is asked of a family, by name."""
    task, family = experiment.task, of_tasks.family_of(experiment.task)
    training, network = of_trainings.family_of(experiment), of_trainings.make_model(experiment)
    weights = network.initialise(0)
    # One episode, where there are episodes.
    once = experiment.model_copy(update={"training": experiment.training.model_copy(update={"evaluation_episodes": 1})})
    mask = masks.full(network.shapes())
    start = Start(0, weights, mask, 0, experiment.training.length)
    return {
        **{name: (lambda name=name: getattr(family, name)(task)) for name in (
            "check", "notes", "data", "digests", "versions", "longest", "episode_steps")},
        "environments": lambda: family.environments(task, [0], 1).reset(),
        "watched": lambda: family.watched(task, 0).close(),
        "network": lambda: training.network(experiment).initialise(0),
        "resized": lambda: of_trainings.smaller_network(experiment, network, 1),
        "stack": lambda: training.stack(experiment, network, [start], "cpu").update(),
        "lesson": lambda: training.lesson(experiment, 0).batch(0, 0),
        "judge": lambda: training.judge(experiment, network, [start], "cpu"),
        "measured_again": lambda: training.measured_again(
            once, network, weights, network.buffers(), 0, "cpu", lambda: True
        ),
        "exchange": lambda: training.exchange(experiment, network).make(),
        "save_tokenizer": lambda: training.save_tokenizer(experiment, folder),
        "rehearsal": lambda: training.rehearsal(experiment),
        "loss gradients": lambda: LossGradients(experiment, network, 0, "cpu")("gradient", weights, mask),
        "flow": lambda: flow_gradient(network.flow, weights),
        "effective sparsity": lambda: graph_of(
            experiment.model.kind, {name: tuple(shape) for name, shape in network.shapes().items()}
        ).nodes,
    }  # fmt: skip


def test_every_kind_of_task_has_a_family_in_both_rooms_and_a_small_experiment_here() -> None:
    kinds = {kind.model_fields["kind"].default for kind in get_args(get_args(Task)[0])}
    assert kinds == KINDS["task"].keys() == of_tasks.FAMILIES.keys() == of_trainings.FAMILIES.keys() == TABLES.keys()


@pytest.mark.parametrize("kind", TABLES)
def test_every_ability_of_every_kind_is_supported_or_refused_in_a_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AtariTraining, "episodes", 1)
    asked = abilities(small(kind, tmp_path), tmp_path)
    defined = {n for family in (TaskFamily, TrainingFamily) for n in vars(family) if callable(getattr(family, n))}
    assert {name for name in defined if not name.startswith("_")} <= asked.keys()
    refused = set()
    for name, ask in asked.items():
        try:
            ask()
        except InputError as error:
            assert kind in str(error) or "model.kind" in str(error), str(error)
            assert "\n" not in str(error)
            refused.add((kind, name))
    assert refused == {entry for entry in REFUSED if entry[0] == kind}
