"""SNIP, GraSP and SynFlow against their published formulas, by hand, and as arms that prune before any training."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, plan
from lth_core.models.flow import flow_gradient
from lth_core.models.mlp import Perceptron
from lth_core.settings.networks import MLP
from lth_core.settings.pruning import Pruning
from lth_core.tickets import audit, audit_masks
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Family, derive, derive_mask
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.saliency import Derivative, grasp, snip, synflow
from tests.small import experiment, family, invented

ARMS = ("magnitude_init", "snip", "grasp", "synflow")


def test_snip_by_hand() -> None:
    # L = (w.x - 1)^2 / 2 at w = (1, 2, -1), x = (1, 0, 3): w.x = -2, g = -3 x = (-3, 0, -9), |w g| = (3, 0, 9).
    found = snip({"a": torch.tensor([1.0, 2.0, -1.0])}, {"a": torch.tensor([-3.0, 0.0, -9.0])}, everything(3))
    assert found["a"].tolist() == [3.0, 0.0, 9.0]


def test_grasp_by_hand() -> None:
    # L = w A w / 2, A = [[2, 1], [1, 1]], w = (1, -2): g = A w = (0, -1), H g = A g = (-1, -1), w H g = (-1, 2).
    # S = -w H g = (1, -2): of all, the first is removed first; without it g's norm grows from 1 to |A (0, -2)| = 2.8.
    weights, hessian = torch.tensor([1.0, -2.0]), torch.tensor([[2.0, 1.0], [1.0, 1.0]])
    found = grasp({"a": weights}, {"a": hessian @ (hessian @ weights)}, everything(2))
    assert found["a"].tolist() == [-1.0, 2.0]

    def norm(mask: list[float]) -> float:
        return float((hessian @ (weights * torch.tensor(mask))).norm())

    assert norm([0.0, 1.0]) > norm([1.0, 1.0])


def everything(n: int) -> Mask:
    return {"a": torch.ones(n, dtype=torch.bool)}


def chain(weights: Weights) -> Tensor:
    """2 - 2 - 1 without biases."""
    return (weights["b"] @ (weights["a"] @ torch.ones(2, dtype=torch.float64))).sum()


CHAIN: Weights = {"a": torch.tensor([[1.0, -2.0], [3.0, 0.5]]), "b": torch.tensor([[2.0, -1.0]])}


def alive(weights: Weights) -> Mask:
    return {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}


def test_synflow_scores_by_hand() -> None:
    # R = 2 (1 + 2) + 1 (3 + 0.5) = 9.5; |w| dR/d|w| is 2x1, 2x2, 1x3, 1x0.5 in the first layer, then 6 and 3.5.
    found = flow_gradient(chain, {name: w.abs() for name, w in CHAIN.items()})
    scores = {name: (w.abs() * found[name]) for name, w in CHAIN.items()}
    assert scores["a"].tolist() == [[2.0, 4.0], [3.0, 0.5]]
    assert scores["b"].tolist() == [[6.0, 3.5]]
    assert float(scores["a"].sum()) == float(scores["b"].sum()) == 9.5  # a layer's scores add up to R


def test_synflow_removes_step_by_step_with_scores_of_what_is_left() -> None:
    # 6 to 2 in two steps: round(6 / 3^0.5) = 3 first. Scores 0.5, 2, 3 go, 3.5, 4, 6 stay; then the path through the
    # second hidden unit is cut, so the weight on it scores 0 and goes, although its magnitude is that of the third.
    groups = {name: frozenset[str]() for name in CHAIN}
    settings = Pruning(fraction=2 / 3, rounds=1)
    found = synflow(CHAIN, alive(CHAIN), groups, settings, 1, lambda w: flow_gradient(chain, w), steps=2)
    assert found["a"].tolist() == [[0.0, 2.0], [0.0, 0.0]]
    assert found["b"].tolist() == [[2.0, 1.0]]
    at_once = synflow(CHAIN, alive(CHAIN), groups, settings, 1, lambda w: flow_gradient(chain, w), steps=1)
    assert at_once["b"].tolist() == [[1.0, 0.0]] and at_once["a"].tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_a_hundred_steps_of_synflow_leave_a_path_where_one_step_cuts_a_layer() -> None:
    """Tanaka et al. 2020, theorem 3: its last path is kept to the end, where pruning at once collapses a layer."""
    model = Perceptron(MLP(hidden=(16, 200, 16)), 4, 2)
    weights = model.initialise(3)
    settings = Pruning(fraction=1 - 8 / sum(w.numel() for n, w in weights.items() if n.endswith("weight")), rounds=1)
    mask = {name: m for name, m in masks.full(model.shapes()).items() if name.endswith("weight")}
    live = {name: w * float(name.endswith("weight")) for name, w in weights.items()}

    def connected(steps: int) -> bool:
        order = synflow(live, mask, model.groups(), settings, 1, lambda w: flow_gradient(model.flow, w), steps)
        kept = {name: (order[name] == steps) if name in mask else torch.zeros_like(w) for name, w in live.items()}
        assert sum(int(kept[name].sum()) for name in mask) == 8
        return float(model.flow({name: k.double() for name, k in kept.items()})) > 0

    assert connected(100)
    assert not connected(1)


def test_the_flow_of_a_perceptron_is_that_of_the_network_itself_with_positive_weights() -> None:
    model = Perceptron(MLP(hidden=(5, 6), activation="relu"), 3, 2)
    weights = {name: w.abs() for name, w in model.initialise(0).items()}
    flat = torch.cat([w.flatten() for w in weights.values()])[None].requires_grad_()
    heads = model.forward(model.layers(model.packed(flat)), torch.ones(1, 1, 3))[-1]
    (theirs,) = torch.autograd.grad(heads.sum(), flat)
    ours = torch.cat([w.flatten() for w in flow_gradient(model.flow, weights).values()])
    assert torch.allclose(theirs[0].double(), ours, rtol=1e-5)


def whole(scope: str, criterion: str = "magnitude") -> Family:
    return family(experiment(
        arms=["winning", *ARMS] if criterion == "magnitude" else ["winning", "one_shot"],
        pruning={"scope": scope, "criterion": criterion}, rewinding={"weights": 100},
        training={"learning_rate_schedule": "linear"}, model={"hidden": [6, 5], "activation": "relu"},
    ))  # fmt: skip


@pytest.mark.parametrize("scope", ["global", "layerwise", "erk"])
def test_arms_prune_the_initialisation_and_start_there_and_their_audits_pass(scope: str) -> None:
    made, found = whole(scope), {}
    init = made.dense.init
    assert init is not None
    for arm in ARMS:
        for round in (1, 2, 3):
            key = TrialKey(round, arm, 0)
            ticket, winning = derive(made, key), derive(made, TrialKey(round, "winning", 0))
            checks = audit.before_training(made, key, ticket, ticket.start, winning)
            assert all(check.passed for check in checks), [c for c in checks if not c.passed]
            assert all(torch.equal(ticket.source[name], init[name]) for name in init)
        found[arm] = derive_mask(made, arm, 3)
    for one in ARMS:
        assert all(masks.distance(found[one], found[other]) for other in ARMS if other != one)
    gradient = invented("gradient", init, found["snip"], None)
    if scope == "global":
        kept = torch.cat([(init[n] * gradient[n]).abs()[m] for n, m in found["snip"].items()])
        gone = torch.cat([(init[n] * gradient[n]).abs()[~m] for n, m in found["snip"].items()])
        assert gone.max() <= kept.min()


@pytest.mark.parametrize("criterion", ["snip", "grasp"])
def test_chains_can_be_pruned_by_them_too_with_derivatives_at_the_pruned_network(criterion: str) -> None:
    made = whole("global", criterion)
    for arm in ("winning", "one_shot"):
        key = TrialKey(2, arm, 0)
        ticket = derive(made, key)
        assert all(
            c.passed for c in audit.before_training(made, key, ticket, ticket.start, None) if c.name != "differs"
        )


def test_weights_are_ranked_with_the_statistics_that_they_were_trained_with_whatever_tickets_start_with() -> None:
    late = {"mask": "one_shot", "weights": "rewind", "at": "rewind"}
    settings = experiment(
        arms=["winning", "snip", "late"], arm={"late": late}, pruning={"criterion": "snip"},
        rewinding={"weights": 100, "buffers": "fresh"},
    )  # fmt: skip
    made, asked = family(settings), list[Weights | None]()
    rewound, ends, own = ({"mean": torch.tensor([float(k)])} for k in (1, 2, 3))
    trained = {
        (DENSE, 0): replace(made.dense, statistics=ends, rewind_statistics=rewound, ranked_statistics=ends),
        ("winning", 1): replace(made.trained["winning", 1], statistics=own, ranked_statistics=own),
    }

    def noted(derivative: Derivative, weights: Weights, mask: Mask, statistics: Weights | None) -> Weights:
        asked.append(statistics)
        return invented(derivative, weights, mask, statistics)

    made = replace(made, trained=trained, loss_derivative=noted, rankings={})
    for key, wanted in {("snip", 1): None, ("late", 2): rewound, ("winning", 1): ends, ("winning", 2): own}.items():
        asked.clear()
        ticket = derive(made, TrialKey(key[1], key[0], 0))
        (found,) = asked
        assert found is wanted, key
        # The audit chooses them again.
        assert all(one.passed for one in audit_masks.checks(made, TrialKey(key[1], key[0], 0), ticket, None)), key


def test_a_mask_that_another_criterion_chose_fails_the_audit() -> None:
    made, key = whole("global"), TrialKey(2, "snip", 0)
    ticket = derive(made, key)
    for other in ("grasp", "synflow", "magnitude_init"):
        wrong = type(ticket)(derive_mask(made, other, 2), ticket.start, ticket.source, made.everything())
        checks = {c.name: c.passed for c in audit.before_training(made, key, wrong, wrong.start, None)}
        assert not checks["criterion"], other


def test_what_needs_a_loss_says_so_where_there_is_none() -> None:
    settings = experiment(arms=["winning", "snip"])
    made = family(settings)
    bare = Family(settings, 0, made.groups, made.trained, made.initialise)
    with pytest.raises(ValueError, match="the gradient of the loss is not available here"):
        derive_mask(bare, "snip", 1)


def test_arms_at_initialisation_wait_for_the_dense_run_alone_and_for_what_they_are_compared_with() -> None:
    waits = {t.key: t.waits_for for t in plan(whole("global").experiment)}
    dense, winning = TrialKey(0, DENSE, 0), TrialKey(1, "winning", 0)
    for arm in ARMS:
        assert waits[TrialKey(1, arm, 0)] == (dense,) and waits[TrialKey(2, arm, 0)] == (dense, winning)


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ({"mask": "ticket", "weights": "fresh", "criterion": "snip"}, 'criterion is accepted with mask "iterative"'),
        ({"mask": "iterative", "weights": "init", "at": "init"}, 'at is accepted with mask "one_shot"'),
        ({"mask": "one_shot", "weights": "init", "criterion": "snap"}, "Input should be"),
    ],
)
def test_what_an_arm_cannot_be_is_refused(arm: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        experiment(arms=["winning", "mine"], arm={"mine": arm})


def test_the_same_arm_by_other_words_is_refused() -> None:
    mine = {"mask": "one_shot", "weights": "init", "schedule": "start", "criterion": "magnitude_init"}
    with pytest.raises(ValueError, match='"mine" and "magnitude_init" are the same arm'):
        experiment(arms=["magnitude_init", "mine"], arm={"mine": mine})
    rewound = {"mask": "one_shot", "weights": "rewind", "criterion": "snip", "at": "rewind"}
    with pytest.raises(ValueError, match="are the same arm"):
        experiment(arms=["snip", "mine"], arm={"mine": rewound})
    experiment(arms=["snip", "mine"], arm={"mine": rewound}, rewinding={"weights": 64})


def test_networks_of_transformers_have_no_flow_and_that_is_said_before_anything_runs() -> None:
    task = {"kind": "language_model", "tokenizer": "checkpoint", "checkpoint": "x"}
    fields = {"name": "x", "seeds": [0], "task": task, "model": {"kind": "causal", "checkpoint": "x"}}
    with pytest.raises(ValueError, match='criterion "synflow" needs a network of this program'):
        Experiment.from_fields({**fields, "arms": ["winning", "synflow"]})
    Experiment.from_fields({**fields, "arms": ["winning", "snip", "grasp"]})
