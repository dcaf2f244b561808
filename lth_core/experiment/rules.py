"""Rules across the tables of an experiment, for fields that are valid individually but not together."""

import json
from pathlib import PurePath

from lth_core.errors import InputError
from lth_core.experiment import arm_rules, device_rules
from lth_core.experiment.arms import BUILT_IN
from lth_core.experiment.tables import Tables
from lth_core.settings.imitation import Cloning, ImitationTask
from lth_core.settings.language_networks import Causal, PretrainedSeq2Seq
from lth_core.settings.minatar import MinAtarTask
from lth_core.settings.networks import MLP, Board
from lth_core.settings.reinforcement import ActorCriticTraining, ReinforcementTraining
from lth_core.settings.soft import SAC
from lth_core.settings.tasks import AtariTask
from lth_core.settings.texts import LanguageModelTask, TranslationTask
from lth_core.settings.values import DQN
from lth_core.tasks.environments import Environments
from lth_core.text import NAMES, did_you_mean, either, is_name, one_line


def check(experiment: Tables) -> None:
    """Raise ValueError, with a sentence that names field, value and what is accepted, for the first rule broken."""
    for rule in (
        _check_kinds,
        _check_dueling,
        _check_plasticity,
        _check_trunk,
        device_rules.check,
        _check_batch,
        _check_score,
        _check_names,
        _check_groups,
        _check_points,
        arm_rules.check,
        arm_rules.check_ticket,
    ):
        rule(experiment)


def check_tokens(experiment: Tables) -> None:
    """Raise InputError if a checkpoint's weights would see tokens of another tokenizer, or a vocabulary is given beside
    a checkpoint's own. Only for new experiments: those stored by earlier versions stay readable."""
    task, model = experiment.task, experiment.model
    if not isinstance(task, LanguageModelTask | TranslationTask):
        return
    if isinstance(model, Causal | PretrainedSeq2Seq):
        own = one_line(json.dumps(model.checkpoint))
        why = f'the weights that model.kind "{model.kind}" starts from need the tokenizer of {own}'
        if task.checkpoint is None:
            accepted = f'expected "checkpoint" with task.checkpoint = {own}'
            raise InputError(f'task.tokenizer = "{task.tokenizer}": {why}: {accepted}')
        if PurePath(task.checkpoint) != PurePath(model.checkpoint):
            raise InputError(f"task.checkpoint = {one_line(json.dumps(task.checkpoint))}: {why}: expected {own}")
    usual = type(task).model_fields["vocabulary"].default
    if task.tokenizer == "checkpoint" and task.vocabulary != usual:
        default = "" if usual is None else f", or its default {usual}"
        raise InputError(
            f'task.vocabulary = {task.vocabulary}: task.tokenizer = "checkpoint" brings its own: '
            f"leave the field out{default}"
        )


def check_kept(experiment: Tables) -> None:
    """Raise InputError if nothing is left to prune because groups of this network are parts of kept ones.

    Only for new experiments, see `check_tokens`.
    """
    kept, model = _kept(experiment), experiment.model
    if isinstance(experiment.training, DQN) and not getattr(model, "dueling", False):
        kept.add("value_head")
    for of, group in (*model.contained, *model.contained):  # twice, because one may be of others
        if of <= kept:
            kept.add(group)
    if nothing := _nothing_left(experiment, kept):
        raise InputError(nothing)


def check_rates(experiment: Tables) -> None:
    """Raise InputError if an arm would be trained at a learning rate of zero.

    Only for new experiments, see `check_tokens`.
    """
    training = experiment.training
    if training.learning_rate_schedule != "linear" or training.learning_rate_end > 0:
        return
    for name in experiment.arms:
        if experiment.schedule_of(name) == "end":
            raise InputError(
                f'training.learning_rate_end 0: arm "{name}" is trained at the rate at which the schedule ends, and '
                "would not learn: expected more than 0, or another learning_rate_schedule"
            )


def check_rewind_point(experiment: Tables) -> None:
    """Raise InputError if tickets would start where their training ends.

    Only for new experiments, see `check_tokens`.
    """
    length = experiment.training.length
    rewinds = any(experiment.schedule_of(name) == "rewind" for name in experiment.arms)
    if rewinds and experiment.rewind_point >= length:
        raise InputError(
            f"rewinding.weights {experiment.rewinding.weights}: the first update that reaches it ends at "
            f"{experiment.rewind_point:,}: expected one that ends before training.length {length}, "
            "or tickets have nothing left to train"
        )


def check_actions(experiment: Tables, environments: Environments) -> None:
    """Raise InputError if the algorithm needs one choice among actions, or numbers, and these environments have other
    actions."""
    if isinstance(experiment.training, DQN) and (environments.continuous or environments.parts is not None):
        kind = "continuous actions" if environments.continuous else "actions of several parts"
        raise InputError(
            f'training.algorithm "dqn" learns the value of each action, and {experiment.task.subject} has {kind}: '
            "expected an environment with one choice among actions, or algorithm a2c or ppo"
        )
    if isinstance(experiment.training, SAC) and not (environments.continuous and environments.bounded):
        kind = "actions without bounds" if environments.continuous else "actions that are choices"
        others = ("a2c", "ppo") if environments.continuous or environments.parts is not None else ("a2c", "ppo", "dqn")
        raise InputError(
            f'training.algorithm "sac" learns numbers within bounds, and {experiment.task.subject} has {kind}: '
            f"expected an environment whose actions are a Box with finite bounds, or algorithm {either(others)}"
        )


def _check_kinds(experiment: Tables) -> None:
    task, model, training = experiment.task, experiment.model, experiment.training
    if model.kind not in task.networks:
        raise ValueError(
            f'model.kind "{model.kind}" does not fit task.kind "{task.kind}": expected {either(task.networks)}'
        )
    if training.algorithm not in task.algorithms:
        raise ValueError(
            f'training.algorithm "{training.algorithm}" does not fit task.kind "{task.kind}": '
            f"expected {either(task.algorithms)}"
        )
    if (
        isinstance(task, (AtariTask, MinAtarTask))
        and isinstance(training, ActorCriticTraining)
        and "observations" in training.normalised
    ):
        raise ValueError(
            "training.normalise_observations true: expected false with pixels, which the network scales itself, and "
            "with boards"
        )


def _check_dueling(experiment: Tables) -> None:
    if getattr(experiment.model, "dueling", False) and not isinstance(experiment.training, DQN):
        raise ValueError('model.dueling true: expected false, or training.algorithm "dqn"')


def _check_plasticity(experiment: Tables) -> None:
    asked, model = getattr(experiment.training, "plasticity", False), experiment.model
    if asked and not isinstance(model, MLP | Board):
        raise ValueError(f'training.plasticity true: expected model.kind "mlp" or "board", not "{model.kind}"')


def _check_trunk(experiment: Tables) -> None:
    training = experiment.training
    if getattr(experiment.model, "trunk", "shared") == "shared":
        if isinstance(training, SAC):
            raise ValueError(
                'model.trunk "shared": expected "separate", because actor and critics of training.algorithm "sac" '
                "share no layers"
            )
        return
    _check_encoder(experiment)
    if isinstance(training, SAC):
        return
    if not isinstance(training, ActorCriticTraining):
        raise ValueError('model.trunk "separate": expected "shared", or training.algorithm a2c, ppo or sac')
    if training.sparse == "always":
        raise ValueError(
            'training.sparse "always": expected "never" or "auto" with model.trunk "separate", which is computed whole'
        )


def _check_encoder(experiment: Tables) -> None:
    pruning = experiment.pruning
    for field, names in (("pruning.keep", pruning.keep), ("pruning.fractions", pruning.fractions)):
        if "encoder" in names:
            raise ValueError(
                f'{field} "encoder": with model.trunk "separate" nothing is shared: expected "actor" or "critic"'
            )


def _check_batch(experiment: Tables) -> None:
    task, training = experiment.task, experiment.training
    if isinstance(task, ImitationTask) and isinstance(training, Cloning) and training.batch > task.learnt_from:
        raise ValueError(
            f"training.batch {training.batch}: expected at most {task.learnt_from}, the states that are learnt from: "
            f"of task.states {task.states}, a tenth is set aside"
        )


def _check_score(experiment: Tables) -> None:
    training = experiment.training
    if (
        isinstance(training, ReinforcementTraining)
        and training.score == "evaluation"
        and not training.evaluation_episodes
    ):
        raise ValueError(
            "training.evaluation_episodes 0: expected at least 1, because the score is their mean; or training.score = "
            '"training"'
        )


def _check_names(experiment: Tables) -> None:
    for field, name in [("name", experiment.name), *(("arm", name) for name in experiment.arm)]:
        if not is_name(name):
            raise ValueError(f"{field} {one_line(json.dumps(name), 90)}: expected {NAMES}")
    if len(set(experiment.seeds)) < len(experiment.seeds):
        raise ValueError(f"seeds {list(experiment.seeds)}: each seed may be listed only once")
    if len(set(experiment.arms)) < len(experiment.arms):
        raise ValueError(f"arms {list(experiment.arms)}: each arm may be listed only once")


def _check_groups(experiment: Tables) -> None:
    known = experiment.model.groups
    fresh = () if experiment.ticket is None else experiment.ticket.fresh
    fields = (("pruning.keep", experiment.pruning.keep), ("pruning.fractions", experiment.pruning.fractions))
    for field, names in (*fields, ("ticket.fresh", fresh)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f'{field} "{name}" is not a parameter group of {experiment.model.kind}: '
                    f"expected one of {', '.join(known)}{did_you_mean(name, known)}"
                )
    if nothing := _nothing_left(experiment, _kept(experiment)):
        raise ValueError(nothing)
    if experiment.pruning.fractions and experiment.pruning.scope != "layerwise":
        raise ValueError('pruning.fractions needs pruning.scope = "layerwise"')


def _nothing_left(experiment: Tables, kept: set[str]) -> str:
    """A sentence, if nothing is left to prune where these groups are kept."""
    if not any(everything <= kept for everything in experiment.model.everything):
        return ""
    return f"pruning.keep {sorted(experiment.pruning.keep)} leaves nothing to prune"


def _kept(experiment: Tables) -> set[str]:
    """The kept groups, with those that consist of kept ones."""
    kept = set(experiment.pruning.keep)
    apart = getattr(experiment.model, "trunk", "shared") == "separate"
    return kept | {"trunk"} if apart and {"actor", "critic"} <= kept else kept


def _check_points(experiment: Tables) -> None:
    length = experiment.training.length
    if experiment.rewinding.weights >= length:
        raise ValueError(
            f"rewinding.weights {experiment.rewinding.weights}: expected points before training.length {length}"
        )
    point = experiment.rewinding.prune_from
    if point != "final" and point > length:
        raise ValueError(f'rewinding.prune_from {point}: expected "final" and points up to {length}')
    for name in experiment.arms:
        if point != "final" and name in (*experiment.arm, *BUILT_IN) and experiment.span(name)[0] >= point:
            raise ValueError(
                f'rewinding.prune_from {point}: arm "{name}" starts at {experiment.span(name)[0]} and never passes it'
            )
