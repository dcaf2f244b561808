"""The axis of training curves begins with the training, however late its first record comes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lth_tui.content.charts import learning_chart
from lth_tui.content.drawing import Drawing
from lth_tui.reading.curves import ArmCurve
from tests.small import experiment


@pytest.mark.parametrize("steps", [[2048.0, 4096.0], [4096.0], [10.0, 4096.0]], ids=["sparse", "one", "dense"])
def test_every_record_of_a_training_is_on_the_axis(steps: list[float]) -> None:
    points = np.array(steps)
    curve = ArmCurve(points, points, points, points, points, points, points, 2)
    job = SimpleNamespace(experiment=experiment(training={"length": 4000}), trials=2, state="done")
    detail: Any = SimpleNamespace(
        job=job, trials=[], reference="winning", round=0, curves={"dense": curve}, metric="return/train",
        metrics=("return/train",), games={},
    )  # fmt: skip
    assert learning_chart(detail, Drawing()).x_range == (0.0, 4096.0)
