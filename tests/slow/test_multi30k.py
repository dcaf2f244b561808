"""Learning, not only running: a small Transformer on Multi30k translates test_2016."""

import time
from pathlib import Path

import pytest

from lth_core.experiment.experiment import Experiment
from lth_core.randomness import stream_seed
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start
from tests.text_data import DATA

FOLDER = DATA / "multi30k-en-de"
UPDATES = 2_000


@pytest.mark.slow
@pytest.mark.skipif(not (FOLDER / "train.en.gz").is_file(), reason="no multi30k-en-de where LTH_TEST_DATA says")
def test_a_small_transformer_translates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path))
    own = Experiment.from_fields(
        {
            "name": "multi30k", "seeds": [0],
            "task": {
                "kind": "translation", "source": "files", "vocabulary": 4_000, "longest": 128,
                "train": str(FOLDER / "train"), "valid": str(FOLDER / "val"),
                "test": str(FOLDER / "test_2016_flickr"),
            },
            "model": {"width": 128, "feed_forward": 256, "heads": 4, "encoder_layers": 2, "decoder_layers": 2},
            "training": {
                "length": UPDATES, "batch": 2_500, "learning_rate": 4e-3, "learning_rate_schedule": "inverse_sqrt",
                "warmup": 200, "betas": [0.9, 0.98], "epsilon": 1e-9, "label_smoothing": 0.1, "average": 5,
                "average_every": 60,
            },
        }
    )  # fmt: skip
    network = make_model(own)
    start = Start(0, network.initialise(stream_seed(0, "initialisation")), {}, 0, UPDATES)
    stack = make_stack(own, network, [start], "cpu")
    before = time.process_time()
    for _ in range(UPDATES):
        stack.update()
    trained = time.process_time()
    found = stack.evaluate([0], lambda: True)[0]
    seconds = trained - before, time.process_time() - trained
    print(found, f"{seconds[0]:.0f} CPU s of training, {seconds[1]:.0f} of evaluation")
    assert found["bleu/test"] > 20
