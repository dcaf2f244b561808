"""A training in which no episode can end has no score: refused before the start, else said with its reason."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest

from lth_core.engine import named_code
from lth_core.errors import InputError
from lth_core.experiment.file import resolve
from lth_core.report.failures import causes
from lth_core.settings.control import ControlTask
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import TrialView
from lth_core.tasks import control
from tests.cli.test_cli import lth
from tests.engine.experiments import as_toml, tiny
from tests.small import Memory, experiment, stack_run, starts
from tests.tasks import odd_environments

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
SHORT = {"length": 256, "environments": 2, "n_steps": 32, "minibatches": 4, "algorithm": "ppo", "score": "training"}
GRADUAL = {"arms": ["winning", "gmp"], "rewinding": {"weights": 400}}
NONE_ENDS = (
    "training.length 256: no episode can end: each of the 2 environments takes 128 steps, and an episode of "
    "Pendulum-v1 has 200: expected a length of at least 385, fewer environments, or a "
    "task.time_limit of at most 128"
)


def read(environment: str = "Pendulum-v1", training: dict[str, Any] | None = None, **sections: Any) -> None:
    task = {"environment": environment, **sections.pop("task", {})}
    resolve({"name": "a", "seeds": 1, "task": task, "training": {**SHORT, **(training or {})}, **sections}, "a")


class Endless(odd_environments.Plain):
    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.seen(0), 0.5, False, False, {}


@pytest.fixture(autouse=True)
def _endless(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = gymnasium.envs.registration.EnvSpec("Endless-v0", entry_point=Endless)
    monkeypatch.setitem(gymnasium.registry, "Endless-v0", spec)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({}, NONE_ENDS),
        ({"training": {"length": 384}}, "length of at least 385"),
        ({"training": {"length": 600}, **GRADUAL, "rewinding": {"weights": 384, "schedule": "rewind"}},
         'no episode of arm "winning" can end: .* length of at least 769'),
        ({"training": {"length": 512}, "arms": ["winning", "gmp"]},
         'pruning.gradual.end 0.8: no episode of arm "gmp" can end after its final mask'),
        ({"environment": "CartPole-v1", "arms": ["winning", "gmp"], "pruning": {"gradual": {"end": 1.0}}},
         'pruning.gradual.end 1: no episode of arm "gmp" can end'),
        ({"environment": "Endless-v0", "training": {"unit": "games"}},
         "task.environment Endless-v0: its episodes never end, .*: expected task.time_limit"),
    ],
)  # fmt: skip
def test_what_cannot_end_is_refused_and_what_to_change_is_said(sections: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read(**sections)


@pytest.mark.parametrize(
    "sections",
    [
        {"training": {"score": "evaluation"}},
        {"training": {"length": 385}},
        {"training": {"unit": "games", "length": 1}},
        {"task": {"time_limit": 128}},
        {"training": {"length": 800}, "arms": ["winning", "gmp"]},
        {"training": {"length": 512}, "arms": ["winning", "gmp"], "task": {"time_limit": 30}},
        {"environment": "CartPole-v1", "training": {"length": 600}, "arms": ["winning", "gmp"]},
        {"environment": "Endless-v0", "task": {"time_limit": 100}},
    ],
)
def test_what_can_end_is_accepted(sections: dict[str, Any]) -> None:
    read(**sections)


def test_a_time_limit_makes_another_experiment_whose_scores_are_not_the_published_ones() -> None:
    plain, limited = experiment(), experiment(task={"time_limit": 100})
    assert plain.identity != limited.identity
    assert (plain.task.subject, limited.task.subject) == ("CartPole-v1", "CartPole-v1 (100 steps)")


def test_an_environment_is_cut_at_the_time_limit_alone_where_nothing_else_ends_it() -> None:
    assert control.episode_steps(ControlTask(environment="Endless-v0", time_limit=7)) == 7
    assert control.episode_steps(ControlTask(environment="Pendulum-v1")) == 200
    assert control.episode_steps(ControlTask(environment="CartPole-v1", time_limit=7)) is None


@pytest.mark.processes
def test_an_environment_of_ones_own_is_refused_by_the_process_that_may_import_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import gymnasium\nfrom gymnasium.spaces import Box, Discrete\n"
        "class Endless(gymnasium.Env):\n"
        "    observation_space, action_space = Box(-1, 1, (1,)), Discrete(2)\n"
        "    def reset(self, *, seed=None, options=None):\n        return self.observation_space.sample(), {}\n"
        "    def step(self, action):\n        return self.observation_space.sample(), 0.5, False, False, {}\n"
    )
    own = f"{tmp_path}/own.py:Endless"
    experiments = [tiny("a", task={"environment": own}), tiny("a", task={"environment": own, "time_limit": 50})]
    named_code.check(experiments[1:], "a.toml")
    with pytest.raises(InputError, match=r"a.toml: task.environment own.py:Endless: its episodes never end"):
        named_code.check(experiments, "a.toml")


def test_a_ticket_without_a_finished_episode_fails_with_the_reason() -> None:
    settings = experiment(task={"environment": "Acrobot-v1"}, training={"length": 128, "score": "training"})
    sink = Memory()
    stack_run(settings, starts(settings, 2)[1], sink).run()
    assert not sink.results
    assert sink.failures[0] == (
        "no episode ended in its training, so it has no score: set a longer training.length or a shorter "
        "task.time_limit (training step 128)"
    )


def test_games_that_never_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lth_core.training.reinforcement.playing.NO_GAME", 64)
    settings = experiment(task={"environment": "Endless-v0"}, training={"unit": "games", "length": 2})
    sink = Memory()
    assert stack_run(settings, starts(settings, 1)[1], sink).run()
    assert sink.failures[0].startswith("no game has ended in 64 steps of each environment")


@pytest.mark.processes
def test_a_job_without_scores_ends_with_the_code_of_failure_and_says_why(tmp_path: Path) -> None:
    settings = tiny("a", task={"environment": "Acrobot-v1"}, training={"length": 200, "score": "training"}, seeds=1)
    (tmp_path / "a.toml").write_text(as_toml(settings))
    done = lth("headless", "a.toml", "--device", "cpu", "-w", "ws", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("dense round 0 seed 0: no episode ended in its training") == 2  # as it happens, and below
    (job,) = views.jobs(Database(tmp_path / "ws" / "workspace.sqlite", writer=False))
    assert (job.trials_done, job.trials_failed) == (0, 5)


def test_causes_are_told_with_their_trials_the_commonest_first() -> None:
    def trial(arm: str, seed: int, state: str, error: str | None, score: float | None = None) -> TrialView:
        return TrialView(seed, 1, arm, 1, seed, state, 0, None, None, score, None, None, error)

    found = [
        trial("random", 0, "failed", "diverged"), trial("winning", 0, "failed", "cut"),
        trial("winning", 1, "failed", "cut"), trial("winning", 2, "blocked", "waits"),
        trial("winning", 3, "done", None, 1.0), trial("reinit", 4, "done", None),
    ]  # fmt: skip
    assert causes(found) == [
        "winning round 1 seeds 0, 1: cut", "random round 1 seed 0: diverged",
        "reinit round 1 seed 4: it ended without a score",
    ]  # fmt: skip
    assert causes(found, most=1) == ["winning round 1 seeds 0, 1: cut", "and 2 more trials, of 2 other causes"]
