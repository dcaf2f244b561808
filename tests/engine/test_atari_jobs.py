"""Atari jobs in the engine: to their end with audits, and a game that cannot be had fails its job alone."""

from pathlib import Path

import pytest

from lth_core.engine import stacking
from lth_core.experiment.experiment import Experiment
from lth_core.store import views
from lth_core.tasks import atari
from tests.engine.experiments import tiny
from tests.engine.test_engine import running

pytestmark = pytest.mark.processes


def _atari() -> Experiment:
    return Experiment.from_fields(
        {
            "name": "atari", "seeds": [0], "arms": ["winning", "random"], "pruning": {"rounds": 1, "keep": ["biases"]},
            "task": {"kind": "atari", "game": "Space Invaders", "size": [36, 36], "max_frames": 120},
            "model": {"architecture": "small"}, "rewinding": {"weights": 16},
            "training": {
                "length": 64, "environments": 1, "n_steps": 8, "record_every": 32, "checkpoint_every": 32,
                "evaluation_episodes": 1,
            },
        }
    )  # fmt: skip


def test_a_job_on_a_game_runs_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "SECONDS", 0.1)
    with running(tmp_path) as r:
        assert r.submit(_atari()) == {"job": 1}
        r.until(lambda: r.state(1) in ("done", "failed"), 240)
        trials = views.trials(r.database, 1)
        assert [t.state for t in trials] == ["done"] * 3, [t.error for t in trials]
        passed, failed = views.audit_counts(r.database, 1)
        assert failed == 0
        assert passed > 0
        said = [event.text for event in views.events(r.database, job=1) if event.kind == "stacking"]
        assert len(said) == 1
        assert "times the rate of one per slot (measured)" in said[0]
        layers = {layer.layer: layer for layer in views.layers(r.database, 1) if layer.round == 1}
        assert layers["convolution.0.weight"].kept < layers["convolution.0.weight"].size
        assert layers["convolution.0.bias"].kept == layers["convolution.0.bias"].size


def test_a_missing_rom_fails_its_job_and_the_queue_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path / "workspace") as r:
        monkeypatch.setenv(atari.ROMS, str(tmp_path))  # where the workers will look
        r.submit(_atari())
        r.submit(tiny(seeds=1, arms=["winning"], pruning={"rounds": 1}))
        r.until_state(2, "done")
        assert r.state(1) == "failed"
        (dense,) = [t for t in views.trials(r.database, 1) if t.arm == "dense"]
        assert "space_invaders.bin is missing" in (dense.error or "")
