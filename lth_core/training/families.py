"""From an experiment to its family's network, stack and other abilities."""

from collections.abc import Callable, Mapping, Sequence

from lth_core.checkpoints import files as checkpoint_files
from lth_core.experiment.experiment import Experiment
from lth_core.models.smaller import smaller
from lth_core.settings.networks import Model
from lth_core.settings.widths import scaled
from lth_core.tasks import contents
from lth_core.tickets import mask as masks
from lth_core.tickets.mask import Weights
from lth_core.tickets.network import Network
from lth_core.tickets.scope import asked, prunable
from lth_core.training.family import Again, TrainingFamily
from lth_core.training.imitation.family import ImitationTraining
from lth_core.training.reinforcement.families import AtariTraining, ControlTraining, MinAtarTraining
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.image_family import ImagesTraining
from lth_core.training.supervised.language_family import LanguageModelTraining
from lth_core.training.supervised.lesson import Lesson
from lth_core.training.supervised.translation_family import TranslationTraining

FAMILIES: Mapping[str, TrainingFamily] = {
    "control": ControlTraining(),
    "imitation": ImitationTraining(),
    "atari": AtariTraining(),
    "minatar": MinAtarTraining(),
    "language_model": LanguageModelTraining(),
    "translation": TranslationTraining(),
    "images": ImagesTraining(),
}
"""By `task.kind`."""


def family_of(experiment: Experiment) -> TrainingFamily:
    """The family of an experiment's task."""
    return FAMILIES[experiment.task.kind]


def make_model(experiment: Experiment) -> Network:
    """See TrainingFamily.network. Raises InputError if a checkpoint has changed."""
    contents.check(experiment.model)
    return family_of(experiment).network(experiment)


def smaller_network(experiment: Experiment, model: Network, round: int) -> tuple[Network, int]:
    """The network of arms with mask `smaller` at a round, and the number of parameters it was made for: those kept by
    the tickets of that round. Raises ValueError if there is no smaller one."""
    living = living_in_tickets(experiment, model, round)

    def made(settings: Model) -> Network:
        return family_of(experiment).resized(experiment, model, settings)

    def count(settings: Model) -> int:
        return sum(shape.numel() for shape in made(settings).shapes().values())

    return made(smaller(experiment.model, living, count)), living


def wider_network(experiment: Experiment, model: Network, width: float) -> Network:
    """The network with all widths times `width`. Raises ValueError where its kind's widths are fixed or limited."""
    return family_of(experiment).resized(experiment, model, scaled(experiment.model, width))


def living_in_tickets(experiment: Experiment, model: Network, round: int) -> int:
    """The number of parameters kept by the tickets of a round, with those that are never pruned."""
    sizes = {name: shape.numel() for name, shape in model.shapes().items()}
    mask = masks.full({name: model.shapes()[name] for name in prunable(model.groups(), experiment.pruning)})
    kept = asked(mask, model.groups(), experiment.pruning, round)
    living = sum(kept.values()) if isinstance(kept, dict) else kept
    return living + sum(size for name, size in sizes.items() if name not in mask)


def make_stack(experiment: Experiment, model: Network, starts: Sequence[Start], device: str) -> Stack:
    """See TrainingFamily.stack."""
    return family_of(experiment).stack(experiment, model, starts, device)


def measured_again(
    experiment: Experiment, model: Network, weights: Weights, statistics: Weights, seed: int, device: str,
    go_on: Callable[[], bool],
) -> dict[str, Again]:  # fmt: skip
    """See TrainingFamily.measured_again."""
    return family_of(experiment).measured_again(experiment, model, weights, statistics, seed, device, go_on)


def rehearsal(experiment: Experiment) -> tuple[Experiment, Experiment | None]:
    """See TrainingFamily.rehearsal."""
    return family_of(experiment).rehearsal(experiment)


def make_lesson(experiment: Experiment, seed: int) -> Lesson:
    """See TrainingFamily.lesson."""
    return family_of(experiment).lesson(experiment, seed)


def data_summary(experiment: Experiment) -> str | None:
    """The data and checkpoints of an experiment with their hashes; None for tasks without data."""
    found = family_of(experiment).data(experiment)
    if found is None or experiment.model.pretrained is None:
        return found
    return "; ".join(filter(None, [found, checkpoint_files.converted(experiment.model.pretrained)]))
