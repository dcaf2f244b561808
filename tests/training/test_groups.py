"""Parameter groups pruned or kept: what is kept is never pruned and trains whole, what is pruned stays dead."""

import pytest
import torch

from lth_core.experiment.plan import TrialKey
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import derive
from lth_core.training.stack import Start
from tests.small import experiment, family, stack

NAMES = {
    "trunk": {"trunk.0.weight", "trunk.0.bias", "trunk.1.weight", "trunk.1.bias"},
    "first_layer": {"trunk.0.weight", "trunk.0.bias"},
    "policy_head": {"policy_head.weight", "policy_head.bias"},
    "value_head": {"value_head.weight", "value_head.bias"},
    "biases": {"trunk.0.bias", "trunk.1.bias", "policy_head.bias", "value_head.bias"},
    "weights": {"trunk.0.weight", "trunk.1.weight", "policy_head.weight", "value_head.weight"},
}
EVERYTHING = NAMES["biases"] | NAMES["weights"]
KEPT = [
    *((group,) for group in NAMES),
    ("trunk", "value_head"), ("trunk", "policy_head"), ("policy_head", "value_head"), ("first_layer", "biases"),
]  # fmt: skip


@pytest.mark.parametrize("scope", ["global", "layerwise"])
@pytest.mark.parametrize("kept", KEPT, ids="+".join)
def test_kept_groups_are_whole_and_all_others_are_pruned(kept: tuple[str, ...], scope: str) -> None:
    settings = experiment(
        model={"hidden": [8, 8]}, arms=["winning", "random"],
        pruning={"rounds": 2, "fraction": 0.5, "keep": list(kept), "scope": scope},
    )  # fmt: skip
    whole = set.union(*(NAMES[group] for group in kept))
    made = family(settings)
    for arm in settings.arms:
        ticket = derive(made, TrialKey(2, arm, 0))
        assert set(ticket.mask) == EVERYTHING - whole
        size = sum(m.numel() for m in ticket.mask.values())
        # By layer each count is rounded by itself.
        assert masks.total(ticket.mask) == pytest.approx(size / 4, abs=0.5 if scope == "global" else len(ticket.mask))
        one = stack(settings, [Start(0, ticket.start, ticket.mask, 0, 10**6)])
        before = one.weights(0)
        for _ in range(4):
            one.update()
        for name, after in one.weights(0).items():
            moved = after != before[name]
            if name in whole:
                # A bias behind which nothing lives gets no gradient.
                assert moved.any(), name
                assert (before[name] != 0).all(), name
            else:
                assert not after[~ticket.mask[name]].any(), name
                assert not moved[~ticket.mask[name]].any(), name
        assert any((after != before[name]).any() for name, after in one.weights(0).items() if name not in whole)
        assert torch.isfinite(one.weights(0)["trunk.0.weight"]).all()
