"""Instability to noise, where the truth is known: a double well, a convex loss, trainings without any noise."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lth_core.analysis.connectivity import instabilities, instability
from lth_core.cli.inspect import find_instability
from lth_core.cli.subject import find_job
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.report import write
from lth_core.store import instability as remembered
from lth_core.store.workspace import Workspace
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.families import make_model
from lth_core.training.stack import Start
from lth_core.training.supervised.language_family import LanguageModelTraining
from lth_core.training.supervised.lesson import Batch, Carry
from lth_core.worker import instability as module
from lth_core.worker.instability import _moments
from lth_core.worker.solutions import Solution, between, scores
from tests.command import lth, lth_apart
from tests.once import copied
from tests.small import experiment, stack
from tests.thorough import some
from tests.training import test_language


class Number(nn.Module):
    """One number w."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self) -> Tensor:
        return self.w


class Well:
    """(w^2 - 1)^2, or w^2 where it is convex, pushed for the first ten updates to a side that the seed draws."""

    per_epoch = 100_000

    def __init__(self, seed: int, convex: bool) -> None:
        self.side, self.convex = 1.0 if seed % 2 else -1.0, convex

    def batch(self, epoch: int, place: int) -> Batch:
        return Batch({"push": torch.tensor(self.side if place < 10 else 0.0)}, 1)

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        w = module().sum()
        return self.error(w) - 0.5 * w * batch.tensors["push"], ()

    def error(self, w: Tensor) -> Tensor:
        return w.square() if self.convex else (w.square() - 1).square()

    def validate(self, module: nn.Module, go_on: Any) -> dict[str, float]:
        return {"log_perplexity/valid": float(self.error(module().sum()))}

    def test(self, module: nn.Module, go_on: Any) -> dict[str, float]:
        return {}


def text(**training: Any) -> Experiment:
    """An experiment of texts, whose lesson and network the tests put in themselves."""
    task = {"kind": "language_model", "source": "builtin"}
    own = {"length": 300, "optimizer": "sgd", "learning_rate": 0.05, **training}
    return Experiment.from_fields({"name": "well", "seeds": [0, 1, 2, 3], "task": task, "training": own})


NETWORK = ModuleNetwork(Number, lambda name: set())
WHOLE: Mask = {"w": torch.ones(1, dtype=torch.bool)}


def rows(own: Experiment, points: list[int], start: float = 0.0, alphas: int = 31) -> list[dict[str, Any]]:
    initial = {seed: {"w": torch.tensor([start])} for seed in own.seeds}
    tickets = {(0, seed): WHOLE for seed in own.seeds}
    return module.instability(own, NETWORK, initial, tickets, points, alphas, "cpu")


@pytest.mark.parametrize("convex", some([False, True], False))
def test_on_a_double_well_noise_decides_at_the_start_and_never_later(
    convex: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LanguageModelTraining, "lesson", lambda _self, _settings, seed: Well(seed, convex))
    told = rows(text(), [0, 100])
    found = {(row["point"], row["seed"]): row["scores"] for row in told}
    apart = {seed: len({stream_seed(seed, "noise", k) % 2 for k in (1, 2)}) == 2 for seed in range(4)}
    assert set(apart.values()) == {True, False}  # both cases are among the seeds
    for seed in range(4):
        early = instability(np.array(found[0, seed]), higher_is_better=False)
        late = instability(np.array(found[100, seed]), higher_is_better=False)
        # Ends at -1 and 1 have an error of 0, and the middle of 1; a convex loss has no barrier whatever the noise.
        assert early == pytest.approx(1.0 if apart[seed] and not convex else 0.0, abs=1e-3)
        assert late == pytest.approx(0.0, abs=1e-3)
    early_rows = [row for row in told if row["point"] == 0]
    summed = list(instabilities(early_rows, "log_perplexity/valid", higher_is_better=False))
    assert len(summed) == 1 and summed[0].height.n == 4
    assert summed[0].worst == pytest.approx(0.0 if convex else np.mean(list(apart.values())), abs=1e-2)


def test_published_definition_by_hand() -> None:
    # Error 2 at the middle, 0.5 and 1 at the ends: 2 - 0.75. Of returns likewise, upside down.
    assert instability(np.array([0.5, 2.0, 1.0]), higher_is_better=False) == 1.25
    assert instability(np.array([100.0, 40.0, 80.0]), higher_is_better=True) == 50.0
    assert instability(np.array([1.0, 1.0, 1.0]), higher_is_better=True) == 0.0
    (one,) = instabilities(
        [{"round": 1, "point": 3, "seed": s, "scores": [10.0, 9.9, 10.0]} for s in range(3)], "x", higher_is_better=True
    )  # fmt: skip
    assert one.share.value == pytest.approx(0.01) and one.stable
    (two,) = instabilities(
        [{"round": 1, "point": 3, "seed": s, "scores": [10.0, 9.0, 10.0]} for s in range(3)], "x", higher_is_better=True
    )  # fmt: skip
    assert not two.stable


def test_trainings_that_have_no_noise_are_the_same_and_dropout_is_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    for dropout, same in ((0.0, True), (0.5, False)):
        network = {"kind": "lstm", "embedding": 8, "hidden": 8, "dropout_ends": dropout, "dropout": 0.0}
        own = test_language.settings(tmp_path, model=network)
        made = make_model(own)
        initial = {0: made.initialise(0)}
        whole = {(0, 0): {name: torch.ones(shape, dtype=torch.bool) for name, shape in made.shapes().items()}}
        if same:
            with pytest.raises(InputError, match="this experiment has no noise"):
                module.instability(own, made, initial, whole, [2], 5, "cpu")
            continue
        (row,) = module.instability(own, made, initial, whole, [2], 5, "cpu")
        line = np.array(row["scores"])
        assert line.min() < line.max()


@pytest.mark.parametrize(
    "training", [{}, {"unit": "games", "length": 24}, {"algorithm": "ppo", "n_steps": 8, "minibatches": 2}]
)
def test_a_dense_run_is_at_its_point_what_it_was_when_it_was_trained(training: dict[str, Any]) -> None:
    own = experiment(training=training, rewinding={"weights": 8 if training.get("unit") else 128})
    network = make_model(own)
    point = own.rewinding.weights
    initial = {seed: network.initialise(seed) for seed in own.seeds}
    found = _moments(own, network, initial, [0, point], "cpu")
    starts = [Start(seed, initial[seed], {}, 0, own.training.length) for seed in own.seeds]
    trained = stack(own, starts)
    first: dict[int, Weights] = {}
    while len(first) < 2:
        trained.update()
        first |= {row: trained.weights(row) for row in range(2) if row not in first and trained.counter[row] >= point}
    for row, seed in enumerate(own.seeds):
        assert all(torch.equal(found[point, seed].weights[name], w) for name, w in first[row].items())
        assert all(torch.equal(found[0, seed].weights[name], w) for name, w in initial[seed].items())
    assert found[point, 0].optimizer and not found[0, 0].optimizer


def test_forks_differ_in_noise_alone_and_keep_to_their_mask() -> None:
    own = experiment()
    network = make_model(own)
    initial = {0: network.initialise(0)}
    mask = {name: torch.rand(shape) < 0.5 for name, shape in network.shapes().items()}
    whole = {name: torch.ones(shape, dtype=torch.bool) for name, shape in network.shapes().items()}
    found = module.instability(own, network, initial, {(0, 0): whole, (2, 0): mask}, [128], 3, "cpu")
    assert [row["round"] for row in found] == [0, 2]
    moments = _moments(own, network, initial, [128], "cpu")
    starts = [module._fork(own, moments[128, 0], mask, 0, noise) for noise in (1, 2)]
    ends = module._trained(own, network, starts, "cpu")
    assert all(torch.equal(starts[0].weights[name], w) for name, w in starts[1].weights.items())
    assert any(not torch.equal(ends[0][0][name], w) for name, w in ends[1][0].items())
    for weights, _ in ends:
        assert all(not bool((weights[name][~m] != 0).any()) for name, m in mask.items())
    assert module._trained(own, network, starts, "cpu")[0][0]["trunk.0.weight"].equal(ends[0][0]["trunk.0.weight"])


def test_what_normalises_observations_is_stored_and_goes_along_the_line() -> None:
    own = experiment(training={"algorithm": "ppo", "n_steps": 8, "minibatches": 2, "evaluation_episodes": 4})
    made = stack(own, [Start(0, make_model(own).initialise(0), {}, 0, 512)])
    for _ in range(5):
        made.update()
    known = made.statistics(0)
    assert known["mean"].shape == (4,) and float(known["mean"].abs().sum()) > 0
    one = Solution(0, made.weights(0), known)
    other = Solution(0, one.weights, {**known, "mean": known["mean"] + 2})
    middle = between(one, other, 3)[1]
    assert torch.allclose(middle.statistics["mean"], known["mean"] + 1)
    network = make_model(own)
    right, wrong = scores(own, network, [one, Solution(0, one.weights, {})], "cpu")
    assert right != wrong


@pytest.mark.processes
def test_the_command_prints_a_row_per_point_and_the_report_shows_it(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "FORMATS", ("svg",))
    trained = copied(trained, tmp_path / "trained")
    done = lth_apart("inspect", 1, "--instability", "--rewind", "0,1000", "--rounds", "0,2", "--alphas", 5, cwd=trained)
    assert done.returncode == 0, done.stderr
    assert "training 16 networks" in done.stderr
    assert "worst between" in done.stdout
    found = remembered.read(Workspace(trained / "workspace"), 1, identity(trained))
    assert found is not None and len(found["rows"]) == 8 and all(len(row["scores"]) == 5 for row in found["rows"])
    assert remembered.read(Workspace(trained / "workspace"), 1, "another") is None
    done = lth("report", 1, "-o", tmp_path / "r", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert "Instability to noise" in (tmp_path / "r" / "index.html").read_text()
    assert {"instability.csv"} <= {p.name for p in (tmp_path / "r" / "tables").iterdir()}
    for option, said in (("--rewind", "numbers from 0 to 1999"), ("--rounds", "numbers from 0 to 2")):
        done = lth("inspect", 1, "--instability", option, "7000", cwd=trained)
        assert done.returncode == 2 and said in done.stderr


def test_an_answer_that_cannot_be_kept_is_shown_and_none_is_kept_elsewhere(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(trained / "workspace", tmp_path / "w")
    workspace, database, job = find_job(tmp_path / "w", "1")
    shutil.rmtree(tmp_path / "w" / "instability", ignore_errors=True)
    rows = [{"round": 0, "point": 0, "seed": 0, "scores": [1.0, 0.5, 1.0]}]
    answer = {"rows": rows, "metric": "return/eval-greedy", "higher": True}
    monkeypatch.setattr(sys.modules["lth_core.cli.inspect"], "run_apart", lambda *_, **__: answer)
    (tmp_path / "w" / "instability").touch()
    (found,) = find_instability(workspace, database, job, [0], [0], 3)
    assert found.height.value == 0.5
    assert "not stored for the report: File exists" in capsys.readouterr().err
    (tmp_path / "w" / "instability").unlink()
    (tmp_path / "w" / "instability").symlink_to(tmp_path)
    with pytest.raises(InputError, match="instability is a symbolic link"):
        find_instability(workspace, database, job, [0], [0], 3)


def identity(trained: Path) -> str:
    from lth_core.experiment.file import load_experiment

    return load_experiment(trained / "tiny.toml").identity


def test_two_trainings_that_are_one_and_the_same_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LanguageModelTraining, "lesson", lambda _self, _settings, _seed: Well(0, False))
    with pytest.raises(InputError, match="this experiment has no noise"):
        rows(text(), [0])
