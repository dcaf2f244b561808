"""Masks of networks that are wider than the experiment's, with as many living parameters (Ma et al. 2025)."""

from lth_core.settings.pruning import Pruning
from lth_core.tickets.derive import Ticket, random_scores
from lth_core.tickets.mask import Mask, Weights, apply, size
from lth_core.tickets.moving import spread
from lth_core.tickets.scope import keep_per_layer


def wider_ticket(weights: Weights, everything: Mask, living: int, pruning: Pruning, seed: int, arm: str) -> Ticket:
    """These weights of the wider network with a random mask: of all its parameters exactly `living` live.

    everything: the mask in which all prunable entries live. The layers have their shares of the living ones by
    `pruning.moving.distribution`. Raises ValueError if those that are never pruned are too many.
    """
    never = sum(w.numel() for w in weights.values()) - size(everything)
    if never >= living:
        raise ValueError(
            f"the wider network has {never:,} parameters that are never pruned, and the ticket keeps {living:,} in "
            "all: expected a smaller width, or fewer groups in pruning.keep"
        )
    mask = keep_per_layer(random_scores(seed, arm, everything), everything, spread(everything, living - never, pruning))
    return Ticket(mask, apply(mask, weights), weights, everything)
