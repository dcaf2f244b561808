"""Rules for the arms of an experiment and the ticket that they import."""

from typing import Any

from lth_core.experiment.arms import BUILT_IN, DENSE, Arm
from lth_core.experiment.tables import Tables
from lth_core.settings.values import ReplayTraining
from lth_core.settings.widths import scaled
from lth_core.text import did_you_mean


def check(experiment: Tables) -> None:
    """Raise ValueError for the first arm that is not defined, not consistent, or another one again."""
    known = [*experiment.arm, *BUILT_IN]
    if DENSE in experiment.arm or DENSE in experiment.arms:
        raise ValueError(f'arm "{DENSE}" is the shared round 0 and always trained: leave it out of the list')
    for name in experiment.arms:
        if name not in known:
            raise ValueError(
                f'arms "{name}" is not defined: expected one of {", ".join(known)}, '
                f"or a table [arm.NAME]{did_you_mean(name, known)}"
            )
    for name in experiment.arms:
        _check_of(experiment, name)
        _check_fields(experiment, name)
        _check_own_network(experiment, name)
    _check_unpruned(experiment)
    _check_distinct(experiment)


def check_ticket(experiment: Tables) -> None:
    """Raise ValueError if an imported ticket is missing, or is not used."""
    ticket, arms = experiment.ticket, {name: experiment.arm_named(name) for name in experiment.arms}
    used = {name: arm for name, arm in arms.items() if "imported" in (arm.mask, arm.weights)}
    for name, arm in used.items():
        if ticket is None:
            raise ValueError(f'arm "{name}" needs a ticket: expected ticket = "FOLDER"')
        if arm.weights == "imported" and arm.mask != "imported":
            raise ValueError(f'arm "{name}": weights "imported" go with mask "imported"')
    if ticket is None:
        return
    if not (used or ticket.dense):
        raise ValueError(
            f'ticket "{ticket.path}" is not used: expected an arm with mask "imported", such as '
            "imported or transferred, and ticket.dense = true"
        )
    if ticket.dense and "{round}" in ticket.path:
        raise ValueError("ticket.dense true: accepted with a path without {round}: the dense run is round 0")


def _check_of(experiment: Tables, name: str) -> None:
    """The arm that an arm refers to exists, and has a mask before its training."""
    arm = experiment.arm_named(name)
    if not arm.refers:
        if arm.of not in (*experiment.arm, *BUILT_IN):
            raise ValueError(f'arm "{name}": of = "{arm.of}" is not defined, and mask "{arm.mask}" needs none')
        return
    if arm.of not in experiment.arms:
        raise ValueError(f'arms: "{name}" derives its mask from "{arm.of}", which is not among the arms')
    of = experiment.arm_named(arm.of)
    if not (of.prunes or (arm.borrows_mask and of.mask == "imported")):
        raise ValueError(f'arm "{name}": of = "{arm.of}" has no mask of its own before it is trained')


def _check_fields(experiment: Tables, name: str) -> None:
    """The fields of an arm are consistent."""
    arm = experiment.arm_named(name)
    if arm.borrows_mask and arm.weights == "final":
        raise ValueError(f'arm "{name}": weights "final" need a mask from the arm\'s own pruning')
    if arm.weights in ("fresh", "signed", "constant") and experiment.schedule_of(name) == "end":
        raise ValueError(f'arm "{name}": {arm.weights} weights cannot start at the schedule\'s end')
    if arm.criterion != "experiment" and not arm.prunes:
        raise ValueError(f'arm "{name}": criterion is accepted with mask "iterative" or "one_shot"')
    if arm.at != "experiment" and arm.mask != "one_shot":
        raise ValueError(f'arm "{name}": at is accepted with mask "one_shot"')
    if arm.mask == "gradual" and arm.weights not in ("init", "rewind", "fresh", "final"):
        raise ValueError(
            f'arm "{name}": weights "{arm.weights}" go with a mask: expected init, rewind, fresh and final'
        )
    if arm.from_start and arm.weights not in ("init", "rewind", "fresh"):
        raise ValueError(
            f'arm "{name}": mask "{arm.mask}" with weights "{arm.weights}": expected init, rewind or fresh'
        )
    if arm.moves:
        _check_moves(experiment, name)
    if not arm.shares_network and arm.weights != "fresh":
        raise ValueError(f'arm "{name}": weights "{arm.weights}" are another network\'s: expected fresh')
    if arm.mask != "wider" and arm.width != Arm.model_fields["width"].default:
        raise ValueError(f'arm "{name}": width is accepted with mask "wider"')
    if arm.mask == "wider" and experiment.model.own and scaled(experiment.model, arm.width) == experiment.model:
        raise ValueError(f'arm "{name}": width {arm.width:g} rounds to the widths of the experiment: expected more')


def _check_moves(experiment: Tables, name: str) -> None:
    """Something is learnt before the mask stands still."""
    training, end = experiment.training, experiment.pruning.moving.end
    if not isinstance(training, ReplayTraining) or training.unit != "steps":
        return
    first, last = experiment.span(name)
    played = training.between * training.environments
    learnt = (training.learning_starts // played + 1) * played
    if learnt >= end * (last - first):
        raise ValueError(
            f"training.learning_starts {training.learning_starts}: the first update that learns ends at step {learnt}: "
            f"expected before {end * (last - first):.0f}, pruning.moving.end of a training of {last - first}, or the "
            f'mask of arm "{name}" never moves'
        )


def _check_own_network(experiment: Tables, name: str) -> None:
    """Features that need our own modules are not used with a network of transformers."""
    arm, model = experiment.arm_named(name), experiment.model
    if model.own:
        return
    if not arm.shares_network:
        raise ValueError(
            f'arm "{name}": a {arm.mask} network of model.kind "{model.kind}" cannot be made: '
            "its checkpoint fixes its widths"
        )
    if arm.prunes and experiment.criterion_of(name) == "synflow":
        raise ValueError(
            f'arm "{name}": criterion "synflow" needs a network of this program, model.kind '
            f'"{model.kind}" is one of transformers: expected the other criteria'
        )


def _check_unpruned(experiment: Tables) -> None:
    """Arms of the unpruned network are trained otherwise than the dense network, and stand beside tickets."""
    unpruned = [name for name in experiment.arms if experiment.arm_named(name).unpruned]
    for name in unpruned:
        weights, point = experiment.arm_named(name).weights, experiment.rewinding.weights
        if weights not in ("init", "rewind", "fresh", "final"):
            raise ValueError(
                f'arm "{name}": weights "{weights}" go with a mask: expected init, rewind, fresh and final'
            )
        starts = weights == "init" or (weights == "rewind" and point == 0)
        if starts and experiment.span(name) == experiment.span(DENSE):
            raise ValueError(
                f'arm "{name}" is the dense network again with rewinding.weights {point}: '
                "leave it out, or rewind to a later point"
            )
    if len(unpruned) == len(experiment.arms):
        raise ValueError(f"arms {list(experiment.arms)}: none of them is pruned: expected at least one that is")


def _check_distinct(experiment: Tables) -> None:
    seen: dict[tuple[Any, ...], str] = {}
    for name in experiment.arms:
        arm = experiment.arm_named(name)
        first, last = experiment.span(name)
        span = (0, last - first) if experiment.training.rate_is_constant else (first, last)
        of = arm.of if arm.refers else None
        weights = "init" if arm.weights == "rewind" and experiment.rewinding.weights == 0 else arm.weights
        same = seen.setdefault((*_ranked(experiment, name), weights, span, of), name)
        # Two arms with their own random draws are replicates, not copies.
        drawn = arm.from_start or arm.mask.startswith(("random", "shuffled"))
        if same != name and weights not in ("fresh", "shuffled") and not drawn:
            raise ValueError(
                f'arms: "{name}" and "{same}" are the same arm with this [rewinding] '
                f"(weights = {experiment.rewinding.weights}), learning-rate schedule and pruning.criterion"
            )


def _ranked(experiment: Tables, name: str) -> tuple[str, ...]:
    """The source of an arm's mask; equal for two arms whose definitions give the same mask."""
    arm = experiment.arm_named(name)
    if not arm.prunes:
        return (arm.mask,)
    # Magnitudes at initialisation are the same in every round: iterative and one-shot pruning are equal.
    if experiment.criterion_of(name) == "magnitude_init":
        return ("one_shot", "magnitude", "init")
    at = "init" if arm.at == "rewind" and experiment.rewinding.weights == 0 else arm.at
    return (arm.mask, experiment.criterion_of(name), at)
