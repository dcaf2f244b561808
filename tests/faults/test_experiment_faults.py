"""Faults of the experiment itself: losses that are no numbers, environments that raise or hang. The queue goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from lth_core.store import views
from tests.faults.runs import Run, short

FAULTY = {"task": {"environment": "Faulty-v0"}, "training": {"environments": 4, "length": 21_000}}


@pytest.fixture(autouse=True)
def registered() -> Any:
    """The faulty environment, in this process too: experiments are resolved here."""
    import gymnasium

    gymnasium.register("Faulty-v0", "tests.faults.environment:Faulty", max_episode_steps=500)
    yield
    gymnasium.registry.pop("Faulty-v0")


@pytest.mark.fault("a reward, and so a loss, that is")
@pytest.mark.slow  # both at every run: tests/engine/test_odd_environments.py
@pytest.mark.parametrize("reward", ["nan", "inf"])
def test_a_loss_that_is_no_number_fails_its_trial_and_is_not_tried_again(
    make_run: Callable[..., Run], seen: Any, reward: str
) -> None:
    run = make_run(short(**FAULTY), fault={"environment": reward})
    run.finish(1)
    errors = run.errors()
    assert errors and all("a reward was not a finite number (training step" in error for error in errors), errors
    with run.database() as database:
        assert {t.state for t in views.trials(database, 1)} == {"failed", "blocked"}
        blocked = next(t.error for t in views.trials(database, 1) if t.state == "blocked")
        assert blocked is not None and "waits for dense round 0 seed" in blocked
        assert [row[0] for row in database.rows("SELECT attempt FROM batches")] == [1, 1]
    assert "a reward was not a finite number" in run.logs()
    seen(errors[0] + "; not tried again; later rounds blocked")


@pytest.mark.slow
@pytest.mark.fault("an environment that raises")
def test_an_environment_that_raises_fails_its_batch_at_once(make_run: Callable[..., Run], seen: Any) -> None:
    run = make_run(short(**FAULTY), fault={"environment": "raises"})
    run.finish(1)
    errors = run.errors()
    assert errors and all("the simulator lost its physics" in error for error in errors)
    with run.database() as database:
        assert [row[0] for row in database.rows("SELECT attempt FROM batches")] == [1, 1]
    assert "Traceback" in run.logs()
    seen(f"failed: {errors[0]}; traceback in the log; not tried again")


@pytest.mark.slow
@pytest.mark.fault("an environment that hangs")
def test_an_environment_that_hangs_is_noticed_and_given_up(make_run: Callable[..., Run], seen: Any) -> None:
    experiment = short(seeds=1, **FAULTY)
    run = make_run(experiment, fault={"environment": "hangs"}, environment={"LTH_SILENCE": "8"})
    run.finish(1)
    events = run.events()
    warned = next(i for i, text in enumerate(events) if "has shown no sign of life" in text)
    assert warned < next(i for i, text in enumerate(events) if "trying again" in text)
    assert all("showed no sign of life for 8 s" in error and "given up" in error for error in run.errors())
    assert "no sign of life" in run.logs()
    seen("a warning after a fifth of LTH_SILENCE, killed after all of it, tried three times, then failed")
