"""Training from pixels: masks, interruption, clipped advantages and ratios, faults, what is refused."""

from typing import Any

from lth_core.experiment import Experiment
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.tickets.mask import Mask
from lth_core.training.build import make_model, make_stack
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Start
from tests.small import Memory, experiment, random_mask, stack_run


def _experiment(algorithm: str = "a2c", **sections: Any) -> Experiment:
    training: dict[str, Any] = {
        "algorithm": algorithm, "length": 96, "environments": 2, "n_steps": 8, "record_every": 32,
        "checkpoint_every": 32, "evaluation_episodes": 0, **sections.pop("training", {}),
    }  # fmt: skip
    if algorithm == "ppo":
        training = {"epochs": 2, "minibatches": 2, **training}
    fields = {
        "name": "atari", "seeds": [0, 1], "pruning": {"rounds": 2}, "training": training,
        "task": {"kind": "atari", "game": "breakout", "size": [36, 36], **sections.pop("task", {})},
        "model": {"architecture": "small"}, **sections,
    }  # fmt: skip
    return Experiment.from_fields(fields)


def _starts(settings: Experiment, count: int) -> tuple[ConvolutionalActorCritic, list[Start]]:
    model = make_model(settings)
    assert isinstance(model, ConvolutionalActorCritic)
    masks: list[Mask] = [random_mask(model, seed) for seed in range(count)]  # type: ignore[arg-type]
    length = settings.training.length
    return model, [Start(seed, model.initialise(seed), masks[seed], 0, length) for seed in range(count)]


def _run(settings: Experiment, own: list[Start], sink: Memory) -> StackRun:
    trials = stack_run(experiment(), [], sink).trials
    del trials
    made = make_stack(settings, make_model(settings), own, "cpu")
    from lth_core.plan import TrialKey

    return StackRun(
        settings, made, [RunningTrial(i, TrialKey(0, "dense", s.seed), s.mask) for i, s in enumerate(own)], sink
    )
