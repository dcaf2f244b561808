"""From an experiment to its network and its stack."""

from collections.abc import Sequence
from dataclasses import replace

from lth_core.checkpoints import files as checkpoint_files
from lth_core.experiment.experiment import Experiment
from lth_core.models import language
from lth_core.models.causal import causal
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.module import ModuleNetwork
from lth_core.models.smaller import smaller
from lth_core.settings.language_networks import LSTM, Causal, PretrainedSeq2Seq, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Convolutional, Model
from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.settings.supervised import Supervised
from lth_core.settings.tasks import AtariTask
from lth_core.settings.texts import LanguageModelTask, TranslationTask
from lth_core.tasks import contents, environments
from lth_core.tasks.text import corpus
from lth_core.tasks.translation import bleu
from lth_core.tasks.translation import corpus as parallel
from lth_core.tickets import mask as masks
from lth_core.tickets.network import Network
from lth_core.tickets.scope import asked, prunable
from lth_core.training.reinforcement.stack import ActorCriticStack
from lth_core.training.stack import Stack, Start
from lth_core.training.supervised.language import LanguageLesson
from lth_core.training.supervised.lesson import Lesson
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.training.supervised.translation import TranslationLesson, translator_network


def make_model(experiment: Experiment) -> Network:
    """The experiment's network, with the sizes that its task asks for. InputError where a checkpoint has changed."""
    contents.check(experiment.model)
    if isinstance(experiment.model, MLP):
        probe = environments.make(experiment.task, [0], 1)
        return Perceptron(experiment.model, probe.inputs, probe.actions, probe.continuous, probe.parts)
    if isinstance(experiment.model, Convolutional) and isinstance(experiment.task, AtariTask):
        probe = environments.make(experiment.task, [0], 1)
        return ConvolutionalActorCritic(experiment.model, experiment.task.shape, probe.actions)
    if isinstance(experiment.task, LanguageModelTask):
        return _language_model(experiment.model, experiment.task)
    if isinstance(experiment.model, Seq2Seq | PretrainedSeq2Seq) and isinstance(experiment.task, TranslationTask):
        return translator_network(experiment.model, experiment.task)
    raise TypeError(f"no network of kind {experiment.model.kind}")


def smaller_network(experiment: Experiment, model: Network, round: int) -> tuple[Network, int]:
    """The network of arms with mask `smaller` at a round, and for how many parameters it was made: those that live in
    the tickets of that round."""
    sizes = {name: shape.numel() for name, shape in model.shapes().items()}
    mask = masks.full({name: model.shapes()[name] for name in prunable(model.groups(), experiment.pruning)})
    kept = asked(mask, model.groups(), experiment.pruning, round)
    living = sum(kept.values()) if isinstance(kept, dict) else kept
    living += sum(size for name, size in sizes.items() if name not in mask)

    def made(settings: Model) -> Network:
        if isinstance(model, Perceptron | ConvolutionalActorCritic):
            return replace(model, settings=settings)  # type: ignore[arg-type]
        return make_model(experiment.model_copy(update={"model": settings}))

    def count(settings: Model) -> int:
        return sum(shape.numel() for shape in made(settings).shapes().values())

    return made(smaller(experiment.model, living, count)), living


def _language_model(settings: Model, task: LanguageModelTask) -> ModuleNetwork:
    vocabulary = corpus.load(task).vocabulary
    if isinstance(settings, LSTM):
        return language.recurrent(settings, vocabulary)
    if isinstance(settings, Transformer):
        return language.decoder(settings, vocabulary)
    if isinstance(settings, Causal):
        return causal(settings, vocabulary, task.window, own_tokens=task.checkpoint is not None)
    raise TypeError(f"no language model of kind {settings.kind}")


def make_stack(experiment: Experiment, model: Network, starts: Sequence[Start], device: str) -> Stack:
    """A stack of these tickets, at its start, with the experiment's algorithm."""
    if isinstance(model, Perceptron | ConvolutionalActorCritic) and isinstance(
        experiment.training, ActorCriticTraining
    ):
        return ActorCriticStack(experiment, model, starts, device)
    if isinstance(model, ModuleNetwork) and isinstance(experiment.training, Supervised):
        (start,) = starts
        return SupervisedStack(experiment.training, model, make_lesson(experiment, start.seed), starts, device)
    raise TypeError(f"no training of {experiment.model.kind} by {experiment.training.algorithm}")


def make_lesson(experiment: Experiment, seed: int) -> Lesson:
    """The examples of one ticket of a chain."""
    task, training = experiment.task, experiment.training
    if isinstance(task, LanguageModelTask) and isinstance(training, Supervised):
        return LanguageLesson(corpus.load(task), task.window, training)
    if isinstance(task, TranslationTask) and isinstance(training, Supervised):
        return TranslationLesson(task, training, parallel.load(task), seed)
    raise TypeError(f"no examples of {experiment.task.kind}")


def data_summary(experiment: Experiment) -> str | None:
    """What an experiment is trained on and starts from, with its hashes; None for tasks without data."""
    if isinstance(experiment.task, LanguageModelTask):
        found = corpus.load(experiment.task).summary
    elif isinstance(experiment.task, TranslationTask):
        found = f"{parallel.load(experiment.task).summary}; {bleu.signature(bleu.tokenizer_of(experiment.task))}"
    else:
        return None
    if isinstance(experiment.model, Causal | PretrainedSeq2Seq):
        return "; ".join(filter(None, [found, checkpoint_files.converted(experiment.model.checkpoint)]))
    return found
