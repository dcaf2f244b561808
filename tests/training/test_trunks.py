"""Actor and critic apart: the same bits in any stack and after a resumption, the second look, each side by itself."""

from typing import Any

import pytest
from pydantic import ValidationError

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import resolve
from lth_core.models.separate import SeparateActorCritic
from lth_core.tickets import mask as masks
from lth_core.tickets.scope import prunable, prune
from lth_core.training.families import make_model
from tests.small import Memory, digest, stack, stack_run, starts

TRAINING = {
    "length": 192, "environments": 4, "n_steps": 8, "optimizer": "adam", "learning_rate": 3e-3, "record_every": 64,
    "checkpoint_every": 64, "evaluation_episodes": 2, "score_episodes": 10, "greedy_episodes": 0,
}  # fmt: skip
PPO = {"algorithm": "ppo", "minibatches": 2, "epochs": 2, "learning_rate_schedule": "constant"}
TABLES: dict[str, dict[str, Any]] = {
    "ppo, continuous": {"task": {"environment": "Pendulum-v1"}, "training": PPO, "model": {"hidden": [6, 4]}},
    "a2c, board": {
        "task": {"kind": "minatar", "time_limit": 9}, "training": {"algorithm": "a2c"},
        "model": {"kind": "board", "filters": 2, "hidden": [4]},
    },
}  # fmt: skip


def settings(kind: str, **more: Any) -> Experiment:
    own = TABLES[kind]
    model, training = {**own["model"], "trunk": "separate"}, {**TRAINING, **own["training"]}
    return Experiment.from_fields(
        {"name": "small", "seeds": [0, 1], "task": own["task"], "model": model, "training": training, **more}
    )


@pytest.mark.parametrize("kind", list(TABLES))
def test_a_run_has_the_same_bits_in_any_stack_and_after_a_stop_and_is_looked_at_again(kind: str) -> None:
    own = settings(kind)
    model, begun = starts(own, 2)
    assert isinstance(model, SeparateActorCritic)
    whole, first, second = Memory(), Memory(stop_at=4), Memory()
    run = stack_run(own, begun, whole)
    trials = list(run.trials)
    assert run.run()
    assert not whole.failures
    assert [one.name for one in trials[0].checks] == ["loss", "actions"]
    assert all(one.passed for one in trials[0].checks)
    assert not stack_run(own, begun, first).run()
    resumed = stack_run(own, begun, second)
    resumed.restore(*first.newest())
    assert resumed.run()
    assert all(whole.same_results(second, trial) for trial in (0, 1))
    together, alone = stack(own, begun), stack(own, begun[1:])
    for one in (together, alone):
        one.update()
    assert digest(together, 1) == digest(alone, 0)


def test_a_critic_that_learns_from_the_actors_layers_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SeparateActorCritic.forward

    def forward(self: SeparateActorCritic, layers: Any, observations: Any) -> Any:
        found = real(self, layers, observations)
        if len(found) == 4:
            found[2] = found[1]
        return found

    monkeypatch.setattr(SeparateActorCritic, "forward", forward)
    own = settings("ppo, continuous", model={"hidden": [4], "trunk": "separate"})
    sink = Memory()
    stack_run(own, starts(own, 1)[1], sink).run()
    assert next(iter(sink.failures.values())).startswith("audit: loss: gradient"), sink.failures


def test_each_side_is_kept_and_pruned_at_its_own_rate() -> None:
    fields = {"scope": "layerwise", "fraction": 0.4, "fractions": {"critic": 0.1}, "keep": ["first_layer"]}
    own = settings("ppo, continuous", pruning=fields)
    model = make_model(own)
    shapes, weights = model.shapes(), model.initialise(0)
    names = prunable(model.groups(), own.pruning)
    assert {name.split(".")[0] for name in shapes.keys() - names} == {"actor", "critic", "log_std"}
    mask = masks.full({name: shapes[name] for name in names})
    left = prune({name: weights[name].abs() for name in names}, mask, model.groups(), own.pruning, 1)
    kept = {name: one.float().mean().item() for name, one in left.items()}
    assert kept["critic.1.weight"] == pytest.approx(0.9, abs=0.03)
    assert kept["actor.1.weight"] == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"pruning": {"keep": ["encoder"]}}, 'pruning.keep "encoder": with model.trunk "separate" nothing is shared'),
        ({"pruning": {"keep": ["actor", "critic"]}}, "leaves nothing to prune"),
        ({"training": {**TRAINING, "sparse": "always"}}, 'training.sparse "always": expected "never" or "auto"'),
        ({"training": {"algorithm": "dqn"}}, 'model.trunk "separate": expected "shared", or training.algorithm a2c,'),
    ],
)
def test_what_does_not_go_together_is_named(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings("ppo, continuous", **more)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("model", "training", "keep"),
    [
        ({"hidden": [4, 4]}, {}, ["trunk", "actor", "value_head"]),
        ({"hidden": [4, 4]}, {}, ["encoder", "policy_head", "critic"]),
        ({"hidden": [4]}, {}, ["first_layer", "actor", "critic"]),
        ({"hidden": [4, 4]}, {"algorithm": "dqn"}, ["trunk", "policy_head"]),
        ({"hidden": [4, 4], "trunk": "separate"}, {}, ["trunk", "policy_head", "critic"]),
        ({"hidden": [4], "trunk": "separate"}, {}, ["first_layer", "policy_head", "value_head"]),
    ],
)
def test_groups_that_are_all_there_is_cannot_all_be_kept(model: Any, training: Any, keep: list[str]) -> None:
    fields: dict[str, Any] = {"name": "small", "seeds": [0], "task": {"environment": "CartPole-v1"}}
    fields |= {"model": model, "training": training}
    for one in keep:
        fewer = [name for name in keep if name != one]
        own = resolve({**fields, "pruning": {"keep": fewer}}, "small")
        assert prunable(make_model(own).groups(), own.pruning)
    with pytest.raises(InputError, match="leaves nothing to prune"):
        resolve({**fields, "pruning": {"keep": keep}}, "small")
