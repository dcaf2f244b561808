"""Dense networks learn: the files of `configs/learn` reach the scores that count as solved. About seven CPU minutes.

Run: OMP_NUM_THREADS=1 pytest -m slow -s tests/slow/test_learning.py
"""

import time
from pathlib import Path

import pytest

from lth_core.experiment.file import load_experiment
from lth_core.randomness import stream_seed
from lth_core.training.families import make_model
from lth_core.training.stack import Start
from tests.small import Memory, stack_run

LEARN = Path(__file__).parents[2] / "configs" / "learn"

# The score of every file: gymnasium's reward threshold where it has one.
REACHES = {
    "cartpole": 475,
    "acrobot": -100,
    "lunarlander": 200,
    "pendulum": -200,
    "pendulum-sac": -200,
    "lunarlander-continuous": 200,
    "mountaincar-continuous": 90,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("name", "reached"), REACHES.items())
def test_dense_networks_of_all_seeds_together_reach_the_score(name: str, reached: float) -> None:
    if name.startswith("lunarlander"):
        pytest.importorskip("Box2D", reason="needs the extra box2d")
    settings = load_experiment(LEARN / f"{name}.toml")
    model = make_model(settings)
    own = [
        Start(seed, model.initialise(stream_seed(seed, "initialisation")), {}, 0, settings.training.length)
        for seed in settings.seeds
    ]
    sink, start = Memory(), time.process_time()
    assert stack_run(settings, own, sink).run()
    seconds = time.process_time() - start
    assert not sink.failures
    last = {trial: values for trial, _, values in sink.records}
    ways = ("return/train", "return/eval-sampled", "return/eval-greedy")
    found = {way: [last[trial][way] for trial in sorted(last)] for way in ways}
    steps = sum(result[0] for result in sink.results.values())
    print(f"\n{name}: {len(own)} seeds, {steps:,} steps, {seconds:.0f} CPU seconds")
    for way, scores in found.items():
        mean = sum(scores) / len(scores)
        print(f"  {way:20} mean {mean:.1f}, lowest {min(scores):.1f}, highest {max(scores):.1f}")
    # A training by sac has few episodes near its end.
    judged = found["return/eval-sampled" if settings.training.algorithm == "sac" else "return/train"]
    assert sum(judged) / len(own) >= reached
