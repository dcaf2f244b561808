"""Runs to their end: records, snapshots, checkpoints, games as unit, diverging tickets, stopping and resuming."""

import dataclasses
import json
import re

import gymnasium
import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.settings.reinforcement import PPO
from lth_core.tickets.fingerprint import fingerprint
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from lth_core.worker.assemble import differing, fingerprints_of, pack_trained, unpack_trained
from lth_core.worker.audits import fingerprints
from tests.small import Memory, experiment, stack_run, starts
from tests.tasks import odd_environments
from tests.thorough import pairs, some

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture(autouse=True)
def _odd_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, spec in odd_environments.ODD.items():
        monkeypatch.setitem(gymnasium.registry, name, spec)


def ran(settings: Experiment, own: list[Start], arm: str = "dense") -> Memory:
    sink = Memory()
    assert stack_run(settings, own, sink, arm).run()
    return sink


def resumed(settings: Experiment, own: list[Start], checkpoint: tuple, stop_at: int | None = None) -> tuple:
    sink = Memory(stop_at)
    run = stack_run(settings, own, sink)
    _, arrays, values = checkpoint
    run.restore({n: a.copy() for n, a in arrays.items()}, json.loads(json.dumps(values)))
    return run.run(), sink


def test_records_come_at_the_steps_that_the_experiment_fixes_and_at_the_end() -> None:
    settings = experiment(training={"record_every": 128, "length": 500, "checkpoint_every": 256})
    sink = ran(settings, starts(settings, 2)[1])
    # An update is 32 steps: 512 is the end of the first update at or after 500.
    assert sorted({step for _, step, _ in sink.records}) == [128, 256, 384, 512]
    assert [step for step, _, _ in sink.checkpoints] == [256]
    assert sink.results[0][0] == 512
    names = set(sink.records[0][2])
    assert names == {"loss/policy", "loss/value", "entropy", "return/train", "games"}
    last = [values for trial, step, values in sink.records if trial == 1 and step == 512][-1]
    assert set(last) == names | {"return/eval-sampled", "return/eval-greedy"}
    assert last["return/eval-sampled"] == sink.results[1][3]
    stored = experiment(training={"score": "training", "length": 500})
    sink = ran(stored, starts(stored, 2)[1])
    assert {trial: values for trial, _, values in sink.records}[1]["return/train"] == sink.results[1][3]


def test_steps_that_are_no_multiple_of_an_update_are_recorded_at_the_first_update_after_them() -> None:
    settings = experiment(training={"record_every": 100, "length": 320})
    sink = ran(settings, starts(settings, 1)[1])
    assert list(dict.fromkeys(step for _, step, _ in sink.records)) == [128, 224, 320]


def test_no_step_is_recorded_twice() -> None:
    settings = experiment(training={"record_every": 128, "length": 512})
    sink = ran(settings, starts(settings, 1)[1])
    assert len({(trial, step) for trial, step, _ in sink.records}) == len(sink.records)


@pytest.mark.parametrize("point", [0, 96, 100])
def test_dense_runs_keep_their_initialisation_and_their_weights_at_the_rewind_point(point: int) -> None:
    settings = experiment(rewinding={"weights": point, "optimizer": "rewind"})
    _, own = starts(settings, 2)
    sink = ran(settings, own)
    shorter = experiment(training={"length": max(point, 1)}, rewinding={"weights": 0})
    for trial in (0, 1):
        kept = sink.snapshots[trial]
        assert set(kept) == {"init", "rewind", "optimizer.mean", "optimizer.square", "optimizer.count"}
        assert all(torch.equal(kept["init"][n], own[trial].weights[n] * m) for n, m in own[trial].mask.items())
        expected = kept["init"] if point == 0 else ran(shorter, starts(shorter, 2)[1]).results[trial][1]
        assert all(torch.equal(kept["rewind"][n], expected[n]) for n in expected)
        moved = kept["optimizer.count"]["count"].item()
        assert moved == -(-point // 32)


def test_trials_that_are_not_dense_keep_no_rewind_point_and_prune_from_is_kept_of_all() -> None:
    settings = experiment(rewinding={"prune_from": 100})
    _, own = starts(settings, 1)
    sink = ran(settings, own, "winning")
    assert set(sink.snapshots[0]) == {"ranked"}
    shorter = experiment(training={"length": 100})
    expected = ran(shorter, starts(shorter, 1)[1]).results[0][1]
    assert all(torch.equal(sink.snapshots[0]["ranked"][n], expected[n]) for n in expected)


def test_statistics_are_kept_of_the_weights_that_are_ranked_and_read_again() -> None:
    settings = experiment(
        training={"algorithm": "ppo", "minibatches": 1, "epochs": 1, "normalise_observations": True, "length": 128},
        rewinding={"prune_from": 64},
    )  # fmt: skip
    model, own = starts(settings, 1)
    sink = ran(settings, own, "winning")
    kept, shorter = sink.snapshots[0], experiment(training={**settings.training.model_dump(), "length": 64})
    early = ran(shorter, starts(shorter, 1)[1]).snapshots[0]["statistics"]
    assert all(torch.equal(kept["ranked_statistics"][n], early[n]) for n in early)
    assert not torch.equal(kept["statistics"]["mean"], early["mean"])
    trial = RunningTrial(0, TrialKey(1, "winning", 0), own[0].mask, snapshots=kept)
    read = unpack_trained(pack_trained(trial, sink.results[0][1]), settings, model)
    assert read.ranked_statistics is not None and torch.equal(read.ranked_statistics["mean"], early["mean"])
    assert not differing(fingerprints(trial) | {"final": fingerprint(read.final)}, fingerprints_of(read))
    del kept["ranked"], kept["ranked_statistics"]
    last = unpack_trained(pack_trained(trial, sink.results[0][1]), settings, model)
    assert last.ranked_statistics is last.statistics is not None
    assert not differing(fingerprints(trial) | {"final": fingerprint(read.final)}, fingerprints_of(last))


def test_with_games_as_unit_each_ticket_ends_on_its_own_and_equals_itself_alone() -> None:
    settings = experiment(
        training={"unit": "games", "length": 40, "learning_rate_schedule": "linear", "record_every": 64}
    )
    _, own = starts(settings, 5)
    sink = ran(settings, own)
    ends = [sink.results[i][0] for i in range(5)]
    assert len(set(ends)) > 1
    for trial in range(5):
        alone = Memory()
        run = stack_run(settings, [own[trial]], alone)
        run.run()
        mine, theirs = sink.results[trial], alone.results[0]
        assert mine[0] == theirs[0]
        assert all(torch.equal(mine[1][n], theirs[1][n]) for n in mine[1])
        assert mine[3] == theirs[3]
        records = [(step, repr(values)) for t, step, values in sink.records if t == trial]
        assert records == [(step, repr(values)) for _, step, values in alone.records]
        games = [values["games"] for t, _, values in sink.records if t == trial]
        assert games[-1] >= 40


def test_tickets_that_start_elsewhere_in_the_schedule_end_elsewhere() -> None:
    settings = experiment()
    _, own = starts(settings, 2)
    late = dataclasses.replace(own[1], first=256)
    sink = ran(settings, [own[0], late])
    assert [sink.results[i][0] for i in (0, 1)] == [512, 256]


def _diverging(settings: Experiment, at: int, in_last: bool = False) -> tuple[Memory, Memory]:
    """A run in which ticket 0 breaks at update `at`, and one in which nothing does."""
    _, own = starts(settings, 3)
    healthy = ran(settings, own)
    sink = Memory()
    run = stack_run(settings, own, sink)
    update = run.stack.update
    turns = iter(range(1, 10_000))

    def planted() -> None:
        update()
        if next(turns) == at:
            run.stack.parameters.flat[0, 0] = float("nan")

    run.stack.update = planted  # type: ignore[method-assign]
    assert run.run()
    return sink, healthy


@pytest.mark.parametrize("at", [1, 9])
def test_a_ticket_that_diverges_fails_alone_and_the_others_get_the_same_bits(at: int) -> None:
    sink, healthy = _diverging(experiment(), at)
    assert set(sink.failures) == {0}
    assert "not a number" in sink.failures[0]
    assert set(sink.results) == {1, 2}
    assert sink.same_results(healthy, 1)
    assert sink.same_results(healthy, 2)
    for trial in (1, 2):
        mine = [(step, repr(v)) for t, step, v in sink.records if t == trial]
        assert mine == [(step, repr(v)) for t, step, v in healthy.records if t == trial]


@pytest.mark.parametrize("record_every", [128, 10_000])
def test_a_ticket_that_diverges_at_the_very_end_leaves_the_others_records_their_own(record_every: int) -> None:
    sink, healthy = _diverging(experiment(training={"record_every": record_every}), 16)
    assert set(sink.failures) == {0}
    for trial in (1, 2):
        mine = [(step, repr(v)) for t, step, v in sink.records if t == trial]
        assert mine == [(step, repr(v)) for t, step, v in healthy.records if t == trial]


def test_when_all_tickets_diverge_the_run_ends() -> None:
    settings = experiment()
    _, own = starts(settings, 1)
    own[0].mask["value_head.bias"][0] = True
    own[0].weights["value_head.bias"][0] = float("nan")
    sink = ran(settings, own)
    assert set(sink.failures) == {0}
    assert not sink.results


# Stopping and resuming

LONG = experiment(training={"length": 1024, "checkpoint_every": 256, "record_every": 64}, rewinding={"weights": 300})


PPO_LONG = experiment(
    task={"environment": "Pendulum-v1"},
    training={
        "algorithm": "ppo", "length": 1024, "checkpoint_every": 256, "record_every": 64, "minibatches": 4, "epochs": 2,
    },
    rewinding={"weights": 300},
)  # fmt: skip


@pytest.mark.parametrize("settings", [LONG, PPO_LONG], ids=["a2c", "ppo"])
def test_a_run_that_was_stopped_twice_equals_one_that_was_not(settings: Experiment) -> None:
    _, own = starts(settings, 3)
    whole = ran(settings, own)
    first = Memory(stop_at=7)
    assert not stack_run(settings, own, first).run()
    done, second = resumed(settings, own, first.checkpoints[-1], stop_at=8)
    assert not done
    done, third = resumed(settings, own, second.checkpoints[-1])
    assert done
    assert first.checkpoints[-1][0] == 7 * 32
    assert second.checkpoints[-1][0] == 15 * 32
    assert all(third.same_results(whole, trial) for trial in range(3))
    records = [(t, step, repr(v)) for part in (first, second, third) for t, step, v in part.records]
    assert records == [(t, step, repr(v)) for t, step, v in whole.records]
    # The stops fell into the middle of episodes: an unfinished return was carried over.
    assert first.checkpoints[-1][1]["episodes/running"].any()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_run_goes_on_from_each_of_its_checkpoints_to_the_same_end(which: int) -> None:
    _, own = starts(LONG, 2)
    whole = ran(LONG, own)
    done, rest = resumed(LONG, own, whole.checkpoints[which])
    assert done
    assert all(rest.same_results(whole, trial) for trial in range(2))
    assert [c[0] for c in rest.checkpoints] == [c[0] for c in whole.checkpoints[which + 1 :]]


def test_a_checkpoint_after_some_tickets_have_ended_goes_on_with_the_others() -> None:
    settings = experiment(training={"length": 1024, "checkpoint_every": 128})
    _, own = starts(settings, 3)
    own[1] = dataclasses.replace(own[1], first=512 + 256)
    whole = ran(settings, own)
    after = next(c for c in whole.checkpoints if c[0] > 256)
    assert after[2]["trials"] == [0, 2]
    done, rest = resumed(settings, own, after)
    assert done
    assert set(rest.results) == {0, 2}
    assert rest.same_results(whole, 0)
    assert rest.same_results(whole, 2)


ONE_BY_ONE = {
    environment: experiment(
        task={"environment": environment},
        training={"length": 1024, "checkpoint_every": 256, "record_every": 64, "environments": 2},
        rewinding={"weights": 300},
    )
    for environment in ("LunarLander-v3", "LunarLanderContinuous-v3", "Walk-v0", "Pair-v0", "FrozenLake-v1")
}


@pytest.mark.parametrize(
    ("environment", "algorithm"), pairs(ONE_BY_ONE, ["a2c", "ppo"], ("LunarLander-v3", "a2c"), ("Pair-v0", "ppo"))
)
def test_environments_one_by_one_are_resumed_in_the_middle_of_their_episodes(environment: str, algorithm: str) -> None:
    if environment.startswith("LunarLander"):
        pytest.importorskip("Box2D", reason="needs the extra box2d")
    settings = ONE_BY_ONE[environment]
    if algorithm == "ppo":
        fields = settings.model_dump(mode="json")
        shared = {k: v for k, v in fields["training"].items() if k in PPO.model_fields}
        fields["training"] = {**shared, "algorithm": "ppo", "minibatches": 2, "epochs": 1}
        settings = Experiment.from_fields(fields)
    _, own = starts(settings, 2)
    whole = ran(settings, own)
    first = Memory(stop_at=23)
    assert not stack_run(settings, own, first).run()
    assert first.checkpoints[-1][0] == 23 * 16
    done, second = resumed(settings, own, first.checkpoints[-1], stop_at=2)
    assert not done
    done, third = resumed(settings, own, second.checkpoints[-1])
    assert done
    assert all(third.same_results(whole, trial) for trial in (0, 1))
    records = [(t, step, repr(v)) for part in (first, second, third) for t, step, v in part.records]
    assert records == [(t, step, repr(v)) for t, step, v in whole.records]
    assert first.checkpoints[-1][1]["environments/actions"].shape[0] > 0


@pytest.mark.parametrize("checkpoint_every", [16, 10_000])
def test_checkpoints_end_no_episode(checkpoint_every: int) -> None:
    settings = experiment(
        task={"environment": "Plain-v0"},
        training={"length": 2048, "environments": 2, "checkpoint_every": checkpoint_every, "learning_rate": 1e-9},
    )
    sink = ran(settings, starts(settings, 1)[1])
    games = sink.records[-1][2]["games"]
    # An episode of this walk takes about a hundred steps: none would ever end between two checkpoints.
    assert games > 5
    assert sink.results[0][3] > 0


# What environments do wrong


@pytest.mark.parametrize("algorithm", some(["a2c", "ppo"], "ppo"))
@pytest.mark.parametrize("environment", ["RaisesInStep-v0", "RewardNaN-v0", "ObservesInfinity-v0"])
def test_what_an_environment_does_wrong_fails_its_trial_and_the_others_get_the_same_bits(
    environment: str, algorithm: str
) -> None:
    training = {"length": 640, "environments": 2, "algorithm": algorithm}
    if algorithm == "ppo":
        training |= {"minibatches": 2, "epochs": 1}
    wrong, right = (experiment(task={"environment": name}, training=training) for name in (environment, "Plain-v0"))
    _, own = starts(wrong, 3)
    for one in own[1:]:  # these stay where they are, and so out of what is wrong with this environment
        one.mask["policy_head.bias"][:] = True
        one.weights["policy_head.bias"][:] = torch.tensor([0.0, 60.0, 0.0])
    own[0].mask["policy_head.bias"][:] = True
    own[0].weights["policy_head.bias"][:] = torch.tensor([0.0, 0.0, 60.0])
    sink, healthy = ran(wrong, own), ran(right, own)
    assert set(sink.failures) == {0}
    assert sink.failures[0].startswith(f"{environment}, environment ")
    assert re.fullmatch(r".*: .* \(training step (16|32)\)", sink.failures[0])
    assert set(sink.results) == {1, 2}
    assert all(sink.same_results(healthy, trial) for trial in (1, 2))
    assert {t for t, _, _ in sink.records} == {1, 2}


def test_an_environment_that_cannot_be_reset_fails_all_before_the_first_step() -> None:
    settings = experiment(task={"environment": "RaisesInReset-v0"})
    sink = ran(settings, starts(settings, 2)[1])
    assert set(sink.failures) == {0, 1}
    assert not sink.results
    assert not sink.records


def test_what_goes_wrong_in_evaluation_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = experiment(
        task={"environment": "Plain-v0", "time_limit": 20},
        training={"length": 64, "environments": 2, "learning_rate": 1e-9},
    )
    _, own = starts(settings, 2)
    for one, action in zip(own, (1, 2), strict=True):
        one.mask["policy_head.bias"][:] = True
        one.weights["policy_head.bias"][:] = 60.0 * torch.nn.functional.one_hot(torch.tensor(action), 3)
    run = stack_run(settings, own, sink := Memory())
    monkeypatch.setitem(gymnasium.registry, "Plain-v0", odd_environments.ODD["RaisesInStep-v0"])
    assert run.run()
    assert set(sink.results) == {0}
    assert sink.failures[1].startswith("in evaluation: Plain-v0, environment ")


def test_keeping_no_trial_ends_the_run() -> None:
    settings = experiment()
    _, own = starts(settings, 2)
    sink = Memory()
    run: StackRun = stack_run(settings, own, sink)
    run.keep([])
    assert run.run()
    assert not sink.results
    assert torch.isfinite(run.stack.weights(0)["trunk.0.bias"]).all()
