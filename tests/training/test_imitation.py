"""Imitation: teachers, what they play, and stacks of clones."""

import hashlib
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.long_work import heard_by
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.networks import MLP
from lth_core.store.tensors import save_tensors
from lth_core.tickets import mask as masks
from lth_core.training import run
from lth_core.training.families import data_summary, make_model, make_stack, rehearsal
from lth_core.training.imitation import teacher
from lth_core.training.imitation.divergence import Divergence, targets_of
from lth_core.training.stack import Interrupted, Start
from tests.training.test_planted import TEACHER

MODEL = {"hidden": [8], "activation": "tanh"}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def cloning(task: dict[str, Any] | None = None, **training: Any) -> Experiment:
    own = {"kind": "imitation", "teacher": {"training": TEACHER}, "states": 1000, **(task or {})}
    fields = {"length": 12, "batch": 32, "evaluation_episodes": 2, "learning_rate_schedule": "linear", **training}
    return Experiment.from_fields({"name": "clone", "seeds": [0, 1], "task": own, "model": MODEL, "training": fields})


def start(experiment: Experiment, seed: int, first: int = 0) -> Start:
    model = make_model(experiment)
    return Start(seed, model.initialise(seed), masks.full(dict(model.shapes())), first, experiment.training.length)


def trained(experiment: Experiment, starts: list[Start], *, stop: int | None = None) -> list[dict[str, Any]]:
    """Weights and scores after training; stop: saved and restored after so many updates."""
    one = make_stack(experiment, make_model(experiment), starts, "cpu")
    while one.counter[0] < one.last[0]:
        if one.trained == stop:
            arrays, values = one.state()
            one = make_stack(experiment, make_model(experiment), starts, "cpu")
            one.restore({name: array.copy() for name, array in arrays.items()}, values)
        one.update()
    found = one.evaluate(range(one.tickets), lambda: True)
    more = one.validate(lambda: True)
    return [
        {"weights": one.weights(row), "drawn": one.drawn(row), **one.metrics()[row], **found[row], **more[row]}
        for row in range(one.tickets)
    ]


@pytest.mark.parametrize("unit", ["updates", "epochs"])
def test_a_clone_has_the_same_bits_in_any_stack_and_resumed(unit: str) -> None:
    own = cloning(unit=unit, length=12 if unit == "updates" else 1)
    starts = [start(own, 0), start(own, 1), start(own, 2, first=0)]
    together, (alone,) = trained(own, starts), trained(own, starts[1:2])
    (resumed,) = trained(own, starts[1:2], stop=5)
    for other in (together[1], resumed):
        assert all(torch.equal(w, other["weights"][name]) for name, w in alone["weights"].items())
        assert {n: v for n, v in other.items() if n != "weights"} == {n: v for n, v in alone.items() if n != "weights"}
    assert together[0]["drawn"] != together[1]["drawn"]


def test_what_rounding_does_to_a_tanh_near_zero_passes() -> None:
    own = cloning()
    whole = start(own, 0)
    faint = {name: 1e-4 * weight for name, weight in whole.weights.items()}
    mask = {name: torch.full_like(one, name.endswith("weight")) for name, one in whole.mask.items()}
    one = make_stack(own, make_model(own), [Start(0, faint, mask, 0, 12)], "cpu")
    one.update()
    assert one.faults() == {}
    assert "computed again in update 1" in one.checks(0, 0, 0.0)[0].detail


def test_a_clone_comes_closer_to_its_teacher_in_states_that_it_has_not_learnt_from() -> None:
    own = cloning(length=200, learning_rate_schedule="constant")
    one = make_stack(own, make_model(own), [start(own, 0)], "cpu")
    (before,) = one.validate(lambda: True)
    for _ in range(200):
        one.update()
    (after,) = one.validate(lambda: True)
    assert after["divergence/valid"] < 0.1 * before["divergence/valid"]
    assert after["agreement/valid"] > 0.9


KINDS = {"one choice": None, "choices": (2, 3), "bits": "bits", "numbers": None}


@pytest.mark.parametrize("kind", KINDS)
def test_divergences_are_torchs_and_gradients_their_derivatives(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, theirs = torch.randn(2, 2, 7, 5, generator=generator, dtype=torch.float64)
    log_std = torch.randn(2, 5, generator=generator, dtype=torch.float64) if kind == "numbers" else None
    deviations = torch.rand(5, generator=generator, dtype=torch.float64) + 0.5 if kind == "numbers" else None
    parts: Any = KINDS[kind]
    targets = torch.from_numpy(targets_of(theirs.numpy(), parts, kind == "numbers", None)).double()
    leaves = [outputs.requires_grad_()] + ([] if log_std is None else [log_std.requires_grad_()])
    one = Divergence(parts, deviations)
    each = one(outputs, targets, log_std)
    if log_std is not None and deviations is not None:
        ours = Normal(outputs, log_std.exp()[:, None].expand_as(outputs))
        wanted = kl_divergence(Normal(targets, deviations.expand_as(targets)), ours).sum(-1)
    elif kind == "bits":
        wanted = kl_divergence(Bernoulli(logits=theirs), Bernoulli(logits=outputs)).sum(-1)
    else:
        pairs = zip(theirs.split(parts or 5, -1), outputs.split(parts or 5, -1), strict=True)
        apart = [kl_divergence(Categorical(logits=p), Categorical(logits=q)) for p, q in pairs]
        wanted = torch.stack(apart).sum(0)
    assert torch.allclose(each, wanted, atol=1e-6)
    by_hand = one.gradient(outputs.detach(), targets, None if log_std is None else log_std.detach())
    for found, exact in zip(by_hand, torch.autograd.grad(each.sum(), leaves), strict=False):
        assert found is not None and torch.allclose(found, exact, atol=1e-6)


def test_a_trial_teaches_the_same_as_its_recipe_and_is_refused_once_its_file_has_changed(tmp_path: Path) -> None:
    own = cloning()
    assert isinstance(own.task, ImitationTask) and isinstance(own.model, MLP)
    recipe = teacher.find(own.task, own.model)
    path = tmp_path / "trial-1.safetensors"
    digest = save_tensors(path, {f"final/{name}": w.numpy() for name, w in recipe.weights.items()}, {})
    by_trial = cloning({"teacher": {"path": str(path), "digest": digest, "model": MODEL}})
    first, second = data_summary(own), data_summary(by_trial)
    assert first is not None and second is not None and first.rpartition("(")[2] == second.rpartition("(")[2]
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    smaller = {
        f"final/{name}": w.numpy()[:, :3] if name == "trunk.0.weight" else w.numpy()
        for name, w in recipe.weights.items()
    }
    another = save_tensors(tmp_path / "trial-2.safetensors", smaller, {})
    of_another = {"path": str(tmp_path / "trial-2.safetensors"), "digest": another, "model": MODEL}
    with pytest.raises(InputError, match=r"trunk\.0\.weight is \(8, 3\), and the environment needs \(8, 4\) now"):
        data_summary(cloning({"teacher": of_another}))
    path.write_bytes(path.read_bytes() + b" ")
    assert isinstance(by_trial.task, ImitationTask) and isinstance(by_trial.model, MLP)
    with pytest.raises(InputError, match="changed since the job was queued"):
        teacher.find(by_trial.task, by_trial.model)


def test_a_teacher_is_heard_while_it_trains_and_plays_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    own, said = cloning({"teacher": {"training": TEACHER, "seed": 7}}), []
    clock = itertools.count()
    monkeypatch.setattr(run.time, "monotonic", lambda: float(next(clock)))

    def listener(what: str, share: float | None) -> None:
        said.append((what, share))
        if what == "the teacher plays":
            raise Interrupted

    with heard_by(listener), pytest.raises(Interrupted):
        data_summary(own)
    shares = [share for what, share in said if what == "training the teacher" and share is not None]
    assert len(shares) > 3 and shares == sorted(shares) and 0 < shares[0] < shares[3] < 1


def test_the_cost_of_a_teacher_is_measured_without_training_it() -> None:
    own = cloning({"teacher": {"training": {**TEACHER, "length": 10**9}}})
    instead, before = rehearsal(own)
    assert before is not None and before.training.length == 10**9 and before.task.kind == "control"
    assert instead.training == own.training and data_summary(instead) is not None
    assert make_stack(instead, make_model(instead), [start(instead, 0)], "cpu").steps_per_unit == 1
    done = cloning()
    data_summary(done)
    assert rehearsal(done) == (done, None)
