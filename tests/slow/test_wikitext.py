"""Learning, not only running: WikiText-2 against the plain loop, from the same start, over the same updates."""

import time
from pathlib import Path

import pytest
import torch

from lth_core.experiment.experiment import Experiment
from lth_core.settings.texts import LanguageModelTask
from lth_core.tasks.text import corpus
from lth_core.training.families import make_model, make_stack
from lth_core.training.stack import Start
from tests.text_data import needs_wikitext, wikitext
from tests.training import reference_language as reference

WIDTH, BATCH, WINDOW, UPDATES, RATE = 128, 20, 35, 300, 4e-3


@pytest.mark.slow
@needs_wikitext
def test_a_short_run_reaches_the_plain_loops_perplexity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path))
    own = Experiment.from_fields(
        {
            "name": "wikitext", "seeds": [0], "task": {**wikitext(), "window": WINDOW},
            "model": {"kind": "lstm", "embedding": WIDTH, "hidden": WIDTH, "dropout": 0.2},
            "training": {"length": UPDATES, "batch": BATCH, "learning_rate": RATE, "max_gradient_norm": 0.25},
        }
    )  # fmt: skip
    network = make_model(own)
    text = corpus.load(LanguageModelTask.model_validate(own.task))
    times = [time.process_time()]
    stack = make_stack(own, network, [Start(0, network.initialise(0), {}, 0, UPDATES)], "cpu")
    for _ in range(UPDATES):
        stack.update()
    times.append(time.process_time())
    mine = stack.validate(lambda: True)[0]["perplexity/valid"]
    model = reference.Reference(WIDTH, text.vocabulary, 0.2)
    model.load(network.initialise(0))
    torch.manual_seed(1)  # dropout draws other numbers than the stack's: the two runs are not the same run
    times.append(time.process_time())
    reference.train(model, text.train, BATCH, WINDOW, UPDATES, RATE)
    times.append(time.process_time())
    theirs = reference.perplexity(model, text.valid, WINDOW)
    print(
        f"perplexity {mine:.2f} in {times[1] - times[0]:.0f} CPU s, "
        f"plain loop {theirs:.2f} in {times[3] - times[2]:.0f} CPU s"
    )
    assert mine < 0.2 * text.vocabulary
    assert mine <= 1.02 * theirs
