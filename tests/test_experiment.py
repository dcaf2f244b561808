"""The experiment: rules, canonical form, identity."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lth_core.experiment.arms import BUILT_IN
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import load
from lth_core.settings.pruning import Pruning
from lth_core.tickets.scope import prunable
from tests.small import experiment


def refused(**fields: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        experiment(**fields)
    return str(caught.value)


def test_defaults_are_the_papers_setting() -> None:
    one = Experiment(name="a", seeds=(0,))
    assert (one.model.hidden, one.model.activation) == ((128, 128, 128), "relu")
    assert (one.training.environments, one.training.n_steps, one.training.optimizer) == (32, 4, "rmsprop")
    assert (one.pruning.fraction, one.pruning.rounds, one.pruning.scope) == (0.2, 20, "global")
    assert (one.rewinding.weights, one.rewinding.schedule, one.arms) == (0, "start", ("winning", "random"))


def test_the_canonical_form_gives_the_same_experiment_back() -> None:
    one = experiment(
        arms=["winning", "own"],
        arm={"own": {"mask": "ticket", "weights": "fresh"}},
        pruning={"scope": "layerwise", "fractions": {"policy_head": 0.1}},
        rewinding={"prune_from": 100},
    )
    again = Experiment.from_json(one.canonical())
    assert again == one
    assert again.canonical() == one.canonical()
    assert again.identity == one.identity


def test_identity_ignores_the_name_and_the_order_of_keys() -> None:
    fields = json.loads(experiment().canonical())
    turned = {k: dict(reversed(v.items())) if isinstance(v, dict) else v for k, v in reversed(fields.items())}
    assert Experiment.from_json(json.dumps(turned)).identity == experiment().identity
    assert experiment(name="other").identity == experiment().identity
    assert experiment(name="other").canonical() != experiment().canonical()


def test_identity_does_not_know_where_it_runs() -> None:
    elsewhere = experiment(launcher={"kind": "slurm", "time_limit": "1:00:00", "options": {"qos": "low"}})
    assert elsewhere.identity == experiment().identity
    assert Experiment.from_json(elsewhere.canonical()) == elsewhere != experiment()


IDENTITIES = {
    "quick/cartpole": "484644cc1126f592", "quick/pendulum": "c1b04eb96186005e", "quick/breakout": "3d7aa1ae98009d67",
    "quick/lm-quick": "916005fa6cbb750f", "quick/translation-quick": "221441e31564fe8b",
}  # fmt: skip


EARLIER = {"score": "training", "score_window": None, "greedy_episodes": None}
"""What stands for the scores of earlier versions, which had no such fields."""


@pytest.mark.parametrize("preset", IDENTITIES)
def test_identities_of_stored_experiments_stay_the_same(preset: str) -> None:
    found = load(Path(preset))
    assert isinstance(found, Experiment)
    fields = found.model_dump(mode="json")
    if preset == "quick/cartpole":
        fields["seeds"] = list(range(8))  # it had fewer
    fields["arms"] = [arm for arm in fields["arms"] if arm != "dense_rewound"]  # it had none
    if "score" in fields["training"]:
        fields["training"] |= {**EARLIER, "evaluation_episodes": 0 if preset == "quick/breakout" else 10}
    assert Experiment.from_json(json.dumps(fields)).identity.startswith(IDENTITIES[preset])


def test_a_stored_experiment_without_a_score_was_scored_by_training_episodes_and_a_file_is_by_evaluation() -> None:
    new = experiment()
    assert (new.training.score, new.score) == ("evaluation", "return/eval-sampled")
    fields = json.loads(new.canonical())
    for name in EARLIER:
        del fields["training"][name]
    stored = Experiment.from_json(json.dumps(fields))
    assert (stored.training.score, stored.score) == ("training", "return/train")
    assert {name: getattr(stored.training, name) for name in EARLIER} == EARLIER
    assert stored.identity != new.identity
    assert Experiment.from_json(stored.canonical()).identity == stored.identity


def test_an_evaluation_that_scores_has_episodes() -> None:
    said = "training.evaluation_episodes 0: expected at least 1"
    assert said in refused(training={"evaluation_episodes": 0})
    assert experiment(training={"evaluation_episodes": 0, "score": "training"}).score == "return/train"


def test_a_field_that_a_later_version_added_counts_only_where_it_is_used() -> None:
    class Later(Pruning):
        added = Pruning.added | {"colour"}
        colour: str = "none"

    assert Later().identifying() == Pruning().identifying()
    assert Later(colour="red").identifying()["colour"] == "red"
    assert Later(colour="red").identifying().keys() > Pruning().identifying().keys()


CHANGES: dict[str, Any] = {
    "task.environment": "Acrobot-v1", "task.arguments": {"length": 3}, "task.wrappers": ["some.module:Wrapper"],
    "task.leave_out": ["mission"], "task.time_limit": 100, "task.contents": [["environment", "0" * 64]],
    "model.hidden": [9], "model.activation": "relu",
    "model.initialisation": "orthogonal", "training.unit": "games", "training.length": 513, "model.trunk": "separate",
    "training.environments": 5, "training.n_steps": 9, "training.optimizer": "rmsprop",
    "training.learning_rate": 0.004, "training.learning_rate_schedule": "linear", "training.learning_rate_end": 0.2,
    "training.rmsprop_alpha": 0.9, "training.adam_betas": [0.8, 0.999], "training.epsilon": 1e-7,
    "training.gamma": 0.9, "training.gae_lambda": 0.9, "training.entropy_weight": 0.02,
    "training.value_weight": 0.6, "training.value_loss": "huber", "training.minibatches": 2,
    "training.advantage_clip": 1.0, "training.reward_scale": 0.5, "training.max_gradient_norm": 1.0,
    "training.loss_reduction": "sum", "training.score_episodes": 11, "training.evaluation_episodes": 3,
    "training.score": "training", "training.score_window": 0.1, "training.greedy_episodes": 3,
    "training.record_every": 64, "training.precision": "tfloat32", "training.sparse": "always",
    "training.plasticity": True, "training.environments_on": "device",
    "training.checkpoint_every": 64, "pruning.fraction": 0.3, "pruning.rounds": 4, "pruning.scope": "layerwise",
    "pruning.criterion": "movement", "pruning.batches": 3, "pruning.gradual": {"steps": 30},
    "pruning.moving": {"drop": 0.5},
    "pruning.keep": ["biases"], "rewinding.prune_from": 100, "rewinding.weights": 10,
    "rewinding.schedule": "rewind", "rewinding.optimizer": "rewind", "rewinding.buffers": "fresh",
    "rewinding.equal_training": True,
    "arms": ["winning"], "seeds": [0, 2],
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGES)
def test_identity_changes_with_every_field(field: str) -> None:
    fields = json.loads(experiment().canonical())
    table, _, name = field.rpartition(".")
    (fields[table] if table else fields)[name] = CHANGES[field]
    assert Experiment.from_json(json.dumps(fields)).identity != experiment().identity


def test_the_table_of_changes_has_every_field() -> None:
    fields = json.loads(experiment().canonical())
    every = {f"{k}.{n}" for k, v in fields.items() if isinstance(v, dict) for n in v} | {
        k for k, v in fields.items() if not isinstance(v, dict)
    }
    alone = {"name", "task.kind", "model.kind", "training.algorithm", "training.importance_clip", "pruning.fractions"}
    alone |= {"launcher.kind", "launcher.device", "ticket", "model.dueling"}
    assert every - alone == set(CHANGES)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "../x"}, "name"),
        ({"seeds": [1, 1]}, "each seed may be listed only once"),
        ({"seeds": []}, "at least 1"),
        ({"seeds": [-1]}, "greater than or equal to 0"),
        ({"seeds": [True]}, "valid integer"),
        ({"arms": ["winning", "winning"]}, "each arm may be listed only once"),
        ({"arms": ["wining"]}, 'did you mean "winning"'),
        ({"arms": ["winning", "dense_rewound"]}, "the dense network again with rewinding.weights 0"),
        ({"arms": ["dense_rewound"], "rewinding": {"weights": 9}}, "none of them is pruned"),
        ({"arms": ["winning", "a"], "arm": {"a": {"mask": "full", "weights": "shuffled"}}}, "go with a mask"),
        ({"arms": ["dense", "winning"]}, "always trained"),
        ({"arms": ["random"]}, 'derives its mask from "winning"'),
        ({"arms": ["winning", "winning_init"]}, "same arm"),
        ({"arms": ["one_shot", "one_shot_init"]}, "same arm"),
        ({"arms": ["finetune", "lr_rewind"]}, "same arm"),
        ({"pruning": {"keep": ["bias"]}}, 'did you mean "biases"'),
        ({"pruning": {"fractions": {"biases": 0.1}}}, "needs pruning.scope"),
        ({"pruning": {"fraction": 1.0}}, "less than 1"),
        ({"pruning": {"fraction": 0.0}}, "greater than 0"),
        ({"pruning": {"fraction": float("nan")}}, "less than 1"),
        ({"rewinding": {"weights": 512}}, "before training.length 512"),
        ({"rewinding": {"weights": -1}}, "greater than or equal to 0"),
        ({"rewinding": {"prune_from": 513}}, "up to 512"),
        ({"rewinding": {"prune_from": 100, "weights": 200, "schedule": "rewind"}}, "never passes it"),
        ({"rewinding": {"prune_from": 100}, "arms": ["finetune"]}, "never passes it"),
        ({"model": {"hidden": [1]}}, "greater than or equal to 2"),
        ({"training": {"learning_rate": float("inf")}}, "finite"),
        ({"training": {"length": 512.5}}, "valid integer"),
        ({"training": {"length": "512"}}, "valid integer"),
        (
            {"arms": ["winning", "a", "b"], "arm": {"a": {"mask": "ticket", "weights": "fresh"},
             "b": {"mask": "random", "weights": "fresh", "of": "a"}}},
            "has no mask of its own before it is trained",
        ),
        ({"arms": ["winning", "a"], "arm": {"a": {"mask": "ticket", "weights": "final"}}}, "own pruning"),
        ({"arms": ["winning", "a"], "arm": {"a": {"mask": "ticket", "weights": "fresh", "schedule": "end"}}}, "end"),
        ({"arm": {"dense": {"mask": "ticket", "weights": "fresh"}}}, "always trained"),
        ({"arms": ["a"], "arm": {"a": {"mask": "iterative", "weights": "init", "of": "b"}}}, '"b" is not defined'),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(**fields)


def test_arms_that_only_the_rewind_point_tells_apart_are_accepted_with_one() -> None:
    one = experiment(arms=["winning", "winning_init", "one_shot", "one_shot_init"], rewinding={"weights": 10})
    assert len(one.arms) == 4


def test_two_random_arms_are_replicates() -> None:
    experiment(arms=["winning", "random", "again"], arm={"again": {"mask": "random", "weights": "fresh"}})


def test_two_arms_with_shuffled_weights_are_replicates() -> None:
    experiment(arms=["winning", "shuffled_weights", "b"], arm={"b": {"mask": "ticket", "weights": "shuffled"}})


def test_an_experiment_is_immutable() -> None:
    one = experiment()
    with pytest.raises(ValidationError):
        one.name = "b"
    with pytest.raises(ValidationError):
        one.training.length = 1


def test_a_files_own_arm_comes_before_a_built_in_one_of_its_name() -> None:
    one = experiment(arm={"random": {"mask": "random_global", "weights": "fresh"}})
    assert one.arm_named("random").mask == "random_global"
    assert one.arm_named("winning") == BUILT_IN["winning"]


def test_rewinding_to_zero_is_not_the_same_as_not_saying_it() -> None:
    assert experiment(rewinding={"weights": 0}).rewinding.weights == 0
    assert experiment(seeds=[0]).seeds == (0,)
    assert experiment(training={"gamma": 0.0, "entropy_weight": 0.0}).training.gamma == 0.0


@given(st.floats(0.01, 0.99), st.integers(0, 50))
def test_density_is_one_minus_p_to_the_k(fraction: float, round: int) -> None:
    pruning = Pruning(fraction=fraction, fractions={"biases": 0.5}, scope="layerwise")
    assert pruning.density(round) == pytest.approx((1 - fraction) ** round)
    assert pruning.density(round, "biases") == 0.5**round
    assert pruning.density(0) == 1.0


def test_an_experiment_that_keeps_every_parameter_is_refused() -> None:
    from lth_core.models.mlp import Perceptron

    keep = ["weights", "biases"]
    assert prunable(Perceptron(experiment().model, 4, 2).groups(), Pruning(keep=tuple(keep))) == ()
    refused(pruning={"keep": keep})


def test_a_smaller_network_is_no_reference_though_it_stands_first() -> None:
    arms = {"small": {"mask": "smaller", "weights": "fresh", "of": "one_shot"}}
    assert experiment(arms=["small", "one_shot", "random_one"], arm={
        **arms, "random_one": {"mask": "random", "weights": "fresh", "of": "one_shot"},
    }).reference == "one_shot"  # fmt: skip
