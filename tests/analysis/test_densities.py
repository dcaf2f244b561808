"""What remains: measured where it is known, as asked where that is exact, and no number otherwise."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from lth_core.analysis.densities import axis_densities, known_density, lowest
from lth_core.analysis.scores import JobScores
from lth_core.analysis.verdict import summarise
from lth_core.claims.claim import experiments
from lth_core.experiment.plan import TrialKey
from lth_core.training.families import make_model
from lth_core.worker.sparse_rounds import densities
from lth_tui.content.charts import learning_chart, lottery_chart
from lth_tui.content.comparison import chart
from lth_tui.content.drawing import Drawing
from lth_tui.experiment_files import preview
from tests.analysis.test_verdict import Trial
from tests.small import experiment
from tests.training.test_every_arm import Batches, dense

OWN = {"scope": "layerwise", "fraction": 0.5, "rounds": 3, "fractions": {"policy_head": 0.1}}
GENTLE = experiment(arms=["winning", "random", "gmp"], seeds=[0], pruning=OWN)


def trials() -> list[Trial]:
    return [
        Trial("dense", 0, 0, density=1.0), Trial("winning", 1, 0, density=0.63),
        Trial("winning", 2, 0, "running", None, 0.41), Trial("winning", 3, 0, "waiting", None, None),
        Trial("gmp", 1, 0, "running", None, 1.0), Trial("random", 1, 0, "failed", None, None),
    ]  # fmt: skip


def test_measured_from_the_start_of_a_training_and_unknown_before_it() -> None:
    assert [known_density(GENTLE, trials(), "winning", k) for k in range(4)] == [1.0, 0.63, 0.41, None]
    assert known_density(GENTLE, trials(), "gmp", 1) is None  # its mask shrinks until the end
    assert axis_densities(GENTLE, trials()) == [1.0, 0.63, 0.41]
    assert lowest(GENTLE, axis_densities(GENTLE, trials())) == 0.5**3
    plain = experiment(pruning={"rounds": 2, "fraction": 0.5})
    assert axis_densities(plain, []) == [1.0, 0.5, 0.25] and lowest(plain, [1.0, 0.5, 0.25]) == 0.25


def test_no_answer_prints_a_number_that_is_not_known() -> None:
    summary = summarise(GENTLE, trials())
    cells = {(c.arm, c.round): c.density for c in summary.cells}
    assert cells["winning", 1] == 0.63 and math.isnan(cells["random", 1])
    assert math.isnan(JobScores(GENTLE, trials()).density("winning", 3))


def test_titles_and_ticks_of_the_workbench_are_as_measured() -> None:
    summary = summarise(GENTLE, trials())
    job: Any = SimpleNamespace(id=1, experiment=GENTLE, trials=6, state="running", name="a", suite=None)
    detail: Any = SimpleNamespace(
        job=job, trials=trials(), summary=summary, reference="winning", round=2, curves={}, metric="return/train",
        metrics=("return/train",), games={},
    )  # fmt: skip
    assert "round 2, 41 % kept" in learning_chart(detail, Drawing()).title
    assert [label for _, label in lottery_chart(detail, Drawing()).x_ticks] == ["100", "63", "41"]
    assert [label for _, label in chart([job], {1: summary}, 0, relative=False).x_ticks] == ["100", "63"]
    assert learning_chart(detail, Drawing()).x_ticks == ()
    (job.experiment,) = experiments("paper/cartpole")
    assert learning_chart(detail, Drawing()).x_ticks == ((0.0, "0"),)  # how many steps its games take is not known yet
    detail.metrics = ("return/train", "games")
    by_games = learning_chart(detail, Drawing(axis="games"))
    assert (by_games.x_ticks, by_games.x_range) == ((), (0.0, 4_000.0))  # 3,200, rounded up
    job.experiment = GENTLE
    detail.round = 3
    assert "% kept" not in learning_chart(detail, Drawing()).title


def test_the_add_dialog_names_own_fractions_and_no_density_that_is_not_known(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'name = "own"\nseeds = 1\narms = ["winning"]\n'
        '[pruning]\nscope = "layerwise"\nfractions = { policy_head = 0.1 }\n'
    )
    (line,) = [one for one in preview(file).lines if one.startswith("pruning")]
    assert line == "pruning: 20% a round, layerwise, policy_head 10%"


@pytest.mark.parametrize("pruning", [OWN, {**OWN, "keep": ["biases"]}, {"scope": "erk", "rounds": 3, "fraction": 0.5}])
def test_the_prediction_is_what_a_run_measures(tmp_path: Path, pruning: dict[str, Any]) -> None:
    settings = experiment(arms=["winning"], seeds=[0], pruning=pruning, training={"length": 64})
    batches = Batches(tmp_path, settings)
    batches.run(dense(settings))
    for round in (1, 2, 3):
        batches.run([TrialKey(round, "winning", 0)])
    assert not batches.failures
    lines = [line for file in sorted(tmp_path.glob("batches/*/attempt-1/records.jsonl")) for line in file.open()]
    measured = [json.loads(line)["density"] for line in lines if json.loads(line)["kind"] == "layers"]
    model = make_model(settings)
    assert measured == [1.0, *densities(model, settings.pruning)]
    logs = [next((tmp_path / "tensorboard").rglob(f"round-{k:02}/seed-0")) for k in range(4)]
    assert [_told(log) for log in logs] == pytest.approx(measured)


def _told(log: Path) -> float:
    """The density among the hyperparameters in TensorBoard's files of a trial."""
    found = EventAccumulator(str(log))
    found.Reload()
    content = found.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    return float(start.hparams["density"].number_value)
