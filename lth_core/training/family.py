"""What can be done with the tasks of one kind: networks made, trained, judged, exchanged. See `tasks.family` too.

What a family does not define is refused in a sentence.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.models.pretrained import Exchange, exchange
from lth_core.settings.networks import Model
from lth_core.tickets.network import Network
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.lesson import Lesson


class TrainingFamily(ABC):
    """The trainings of one kind of task.

    judged_by: the metric that networks are compared by which no trial has trained, and whether more is better.
    """

    judged_by: tuple[str, bool]

    @abstractmethod
    def network(self, experiment: Experiment) -> Network:
        """The experiment's network, with the sizes that its task asks for. InputError where they cannot be had."""

    def resized(self, experiment: Experiment, network: Network, settings: Model) -> Network:
        """The same network with other widths."""
        return self.network(experiment.model_copy(update={"model": settings}))

    @abstractmethod
    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> Stack:
        """A stack of these tickets, at its start, with the experiment's algorithm."""

    def lesson(self, experiment: Experiment, seed: int) -> Lesson:
        """The examples of one ticket of a chain; InputError for tasks that are learnt by acting."""
        raise InputError(f'task.kind "{experiment.task.kind}" has no examples: it is learnt by acting')

    @abstractmethod
    def judge(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> list[float]:
        """How good networks are by `judged_by`, on the same episodes or examples for all of a seed."""

    def exchange(self, experiment: Experiment, network: Network) -> Exchange:
        """How the network is exchanged with transformers; InputError where it has nothing like it."""
        return exchange(experiment.model, network, longest=1, vocabulary=1)

    def save_tokenizer(self, experiment: Experiment, folder: Path) -> bool:
        """Save the task's tokenizer for `AutoTokenizer.from_pretrained`; False where it is none of theirs."""
        return False
