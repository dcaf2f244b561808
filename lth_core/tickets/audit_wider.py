"""The audit of a ticket of a wider network: its widths, how many of its weights live, its draw and start weights.

What is checked is found again, by code that `tickets.wider` and `models.smaller` do not use.
"""

from collections.abc import Mapping

from torch import Size

from lth_core.experiment.plan import TrialKey
from lth_core.tickets import audit_masks, expected_masks
from lth_core.tickets import mask as masks
from lth_core.tickets.check import Check, counted, unequal
from lth_core.tickets.derive import Family, Ticket
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network

Shapes = Mapping[str, Size]
NEAR = 0.1
"""Share by which a width may differ from that asked for, because some come in steps."""


def checks(
    family: Family, key: TrialKey, ticket: Ticket, start: Weights, network: Network, compared: Mask
) -> list[Check]:
    """Checks of a ticket of round >= 1 of a wider network, before its training.

    start: the weights about to be trained, read back from the model. compared: the mask of the ticket whose number of
    parameters it has, over the experiment's network.
    """
    pruning, mask = family.experiment.pruning, ticket.mask
    drawn = network.initialise(expected_masks.seed_of(key.seed, "fresh", key.arm, key.round))
    masked = {name: w.masked_fill(~mask[name], 0.0) if name in mask else w for name, w in drawn.items()}
    off = masks.distance(mask, expected_masks.random_mask(family, key.arm, mask))
    wrong = {name: unequal(start[name], w) for name, w in masked.items()}
    missing = {n: int(((start[n] == 0) & m & (drawn[n] != 0)).sum()) for n, m in mask.items()}
    return [
        audit_masks.layers(mask, network.groups(), pruning),
        _width(family, key, network),
        parameters(network.shapes(), mask, {n: w.shape for n, w in family.dense.final.items()}, compared),
        audit_masks.spread(mask, pruning, []),
        Check("mask_source", off == 0, f"{off} entries differ from the mask that this arm and seed draw"),
        counted("start_weights", wrong, "start weights differ from mask x its own initialisation"),
        counted("start_alive", missing, "kept entries start at zero although their source does not"),
    ]


def _width(family: Family, key: TrialKey, network: Network) -> Check:
    """Each dimension of a parameter is as in the experiment's network, or so many times as large; one at least is."""
    width, whole = family.experiment.arm_named(key.arm).width, family.dense.final
    wrong, wider = [], 0
    for name, shape in network.shapes().items():
        own = whole[name].shape if name in whole else ()
        if len(own) != len(shape):
            wrong.append(f"{name}: {tuple(shape)}, in the experiment's network {tuple(own)}")
            continue
        for now, was in zip(shape, own, strict=True):
            wider += now > was
            if now != was and abs(now - width * was) > max(1.0, NEAR * width * was):
                wrong.append(f"{name}: {now} where the experiment's network has {was}")
    fine = bool(wider) and not wrong and network.shapes().keys() == whole.keys()
    detail = "; ".join(wrong[:3]) or (f"{width:g} times as wide" if fine else "no wider than the experiment's network")
    return Check("width", fine, detail)


def parameters(shapes: Shapes, mask: Mask, whole: Shapes, compared: Mask) -> Check:
    """Exactly as many parameters live as in the ticket, with those that are never pruned.

    shapes: of the wider network. whole: of the experiment's, over which `compared` is the ticket's mask.
    """
    own = masks.total(mask) + sum(shape.numel() for name, shape in shapes.items() if name not in mask)
    kept = masks.total(compared) + sum(shape.numel() for name, shape in whole.items() if name not in compared)
    return Check("parameters", own == kept, f"{own:,} parameters live, the ticket keeps {kept:,}")
