"""Event files are read by TensorBoard itself, also while they are open."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from lth_core.experiment.plan import TrialKey
from lth_core.store.events_file import read_scalars
from lth_core.store.tensorboard import TrialLog


def _read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_scalars_sparsity_and_hyperparameters_are_there_while_the_file_is_open(tmp_path: Path) -> None:
    log = TrialLog(tmp_path, TrialKey(2, "winning", 7), 0)
    log.hparams({"arm": "winning", "round": 2, "density": 0.64, "clip": True})
    log.scalars({"sparsity/trunk.0.weight": 0.36}, 0)
    for step in (10, 20):
        log.scalars({"return/train": step / 2, "loss": float("nan")}, step)
    folder = tmp_path / "winning" / "round-02" / "seed-7"
    found = _read(folder)
    assert [(e.step, e.value) for e in found.Scalars("return/train")] == [(10, 5.0), (20, 10.0)]
    assert found.Scalars("sparsity/trunk.0.weight")[0].value == pytest.approx(0.36)
    assert len(found.Scalars("loss")) == 2
    contents = found.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(contents["_hparams_/session_start_info"])
    values = start.session_start_info.hparams
    assert values["arm"].string_value == "winning"
    assert values["round"].number_value == 2
    assert values["density"].number_value == pytest.approx(0.64)
    assert values["clip"].bool_value is True
    log.close()


def test_a_resumed_trials_repeated_steps_replace_the_first_copy(tmp_path: Path) -> None:
    key = TrialKey(0, "dense", 0)
    first = TrialLog(tmp_path, key, 0)
    for step in (10, 20, 30):
        first.scalars({"a": 1.0}, step)
    # Killed after step 30; its checkpoint was at 20.
    second = TrialLog(tmp_path, key, 20, resumed=True)
    for step in (30, 40):
        second.scalars({"a": 2.0}, step)
    found = _read(tmp_path / "dense" / "round-00" / "seed-0")
    steps = [(e.step, e.value) for e in found.Scalars("a")]
    assert steps == [(10, 1.0), (20, 1.0), (30, 2.0), (40, 2.0)]
    assert read_scalars(tmp_path / "dense" / "round-00" / "seed-0") == {("a", s): v for s, v in steps}
    first.close()
    second.close()
