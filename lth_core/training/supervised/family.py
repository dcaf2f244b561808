"""Supervised tasks: see TrainingFamily. Each kind has a network and a lesson."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import nn

from lth_core.experiment.experiment import Experiment
from lth_core.models.module import ModuleNetwork, fill_buffers
from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.family import Again, TrainingFamily
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.lesson import ByHand
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.turns import Turns


class ExamplesTraining(TrainingFamily):
    """Networks are evaluated by a metric of the validation part."""

    judged_by = ("log_perplexity/valid", False)

    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> Stack:
        """See TrainingFamily: of ordinary modules, several of which take turns."""
        lessons = {seed: self.lesson(experiment, seed) for seed in {start.seed for start in starts}}
        settings, own = settings_of(experiment), cast(ModuleNetwork, network)
        members = [SupervisedStack(settings, own, lessons[start.seed], [start], device) for start in starts]
        if len(members) == 1:
            return members[0]
        turns = Turns(starts, members, sum(shape.numel() for shape in own.shapes().values()))
        for lesson in lessons.values() if len(lessons) < len(starts) else ():
            if isinstance(lesson, ByHand):
                lesson.remember(turns.length)
        return turns

    def measured_again(
        self, experiment: Experiment, network: Network, weights: Weights, statistics: Weights, seed: int, device: str,
        go_on: Callable[[], bool],
    ) -> dict[str, Again]:  # fmt: skip
        """See TrainingFamily: the test part."""
        module = cast(ModuleNetwork, network).module()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                parameter.copy_(weights[name])
        fill_buffers(module, statistics)
        found = self.tested_again(experiment, module.to(device).eval(), weights, go_on)
        return {name: _within(name, value) for name, value in found.items()}

    def tested_again(
        self, experiment: Experiment, module: nn.Module, weights: Weights, go_on: Callable[[], bool]
    ) -> dict[str, float]:
        """Metrics of the test part of a module with these weights, in evaluation mode; see `measured_again`."""
        return {}

    def judge(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> list[float]:
        """See TrainingFamily."""
        stacks = (self.stack(experiment, network, [start], device) for start in starts)
        return [stack.validate(lambda: True)[0][self.judged_by[0]] for stack in stacks]


def _within(metric: str, value: float) -> Again:
    """Rounding changes single translations and classes where two are equally likely, and each loss a little."""
    near = {"bleu": 1.0, "chrf": 1.0, "accuracy": 2e-3}.get(metric.partition("/")[0], 2e-5 * (1 + abs(value)))
    return Again(value, near, max(near, 0.02 * abs(value)))


def settings_of(experiment: Experiment) -> Supervised:
    """The training's settings, typed as those of supervised tasks."""
    return cast(Supervised, experiment.training)
