"""What a kind of task can do: make, train, evaluate and exchange networks. See also `tasks.family`.

An ability that a family does not define is refused with an InputError.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.models.pretrained import Exchange, exchange
from lth_core.settings.networks import Model
from lth_core.tasks.families import family_of
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.lesson import Lesson


@dataclass(frozen=True)
class Again:
    """A metric measured a second time, and the accepted differences: on a CPU, and for what a GPU has trained."""

    value: float
    near: float
    near_elsewhere: float

    def agrees(self, with_value: float, device: str) -> bool:
        """Whether a stored value is this one."""
        accepted = self.near if device.startswith("cpu") else self.near_elsewhere
        return self.value == with_value or abs(self.value - with_value) <= accepted


class TrainingFamily(ABC):
    """The trainings of one kind of task.

    judged_by: the metric of networks that no trial has trained, and whether higher is better.
    """

    judged_by: tuple[str, bool]

    @abstractmethod
    def network(self, experiment: Experiment) -> Network:
        """The experiment's network, with the sizes of its task. Raises InputError if they cannot be found."""

    def data(self, experiment: Experiment) -> str | None:
        """What is trained on, in a sentence with hashes; None for tasks without data."""
        return family_of(experiment.task).data(experiment.task)

    def resized(self, experiment: Experiment, network: Network, settings: Model) -> Network:
        """The same network with other widths."""
        return self.network(experiment.model_copy(update={"model": settings}))

    def rehearsal(self, experiment: Experiment) -> tuple[Experiment, Experiment | None]:
        """What measures the cost in the experiment's place, and a training that comes before its first ticket."""
        return experiment, None

    @abstractmethod
    def stack(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> Stack:
        """A stack of these tickets, at its start, with the experiment's algorithm."""

    def lesson(self, experiment: Experiment, seed: int) -> Lesson:
        """The examples of one ticket of a chain; raises InputError for reinforcement learning."""
        raise InputError(f'task.kind "{experiment.task.kind}" has no examples: it is learnt by acting')

    @abstractmethod
    def judge(self, experiment: Experiment, network: Network, starts: Sequence[Start], device: str) -> list[float]:
        """Scores of networks by `judged_by`, on the same episodes or examples for all networks of a seed."""

    def measured_again(
        self, experiment: Experiment, network: Network, weights: Weights, statistics: Weights, seed: int, device: str,
        go_on: Callable[[], bool],
    ) -> dict[str, Again]:  # fmt: skip
        """Metrics of stored weights of a chain, by plain code of its own; empty if there is none.

        Raises Interrupted once `go_on` returns False.
        """
        return {}

    def exchange(self, experiment: Experiment, network: Network) -> Exchange:
        """How the network is exchanged with transformers; raises InputError if transformers has no such network."""
        return exchange(experiment.model, network, longest=1, vocabulary=1)

    def save_tokenizer(self, experiment: Experiment, folder: Path) -> bool:
        """Save the task's tokenizer for `AutoTokenizer.from_pretrained`; False if transformers has no such kind."""
        return False
