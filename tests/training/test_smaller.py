"""Smaller dense networks with the parameters of a ticket: how near they come, their audit, and their own batches."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_core.experiment.plan import TrialKey
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.smaller import smaller
from lth_core.settings.language_networks import LSTM, Causal, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Convolutional
from lth_core.settings.widths import scaled
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.tensors import load_tensors
from lth_core.store.workspace import Workspace
from lth_core.tickets import audit
from lth_core.training.families import make_model, smaller_network
from tests.engine.experiments import tiny
from tests.engine.test_engine import running
from tests.small import experiment, random_mask
from tests.training import test_language, test_translation
from tests.training.test_every_arm import Batches, dense


def perceptron(settings: MLP) -> int:
    return sum(shape.numel() for shape in Perceptron(settings, 4, 2).shapes().values())


@pytest.mark.parametrize("hidden", [(64, 64), (20, 40), (30,), (16, 16, 16)])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.07])
def test_no_share_of_all_widths_comes_nearer(hidden: tuple[int, ...], share: float) -> None:
    settings = MLP(hidden=hidden)
    wanted = int(share * perceptron(settings))
    found = smaller(settings, wanted, perceptron)  # type: ignore[arg-type]
    assert isinstance(found, MLP)
    shares = [scaled(settings, k / 2000) for k in range(1, 2001)]
    assert abs(perceptron(found) - wanted) <= min(abs(perceptron(one) - wanted) for one in shares)  # type: ignore[arg-type]
    if len(hidden) > 1 and len(set(hidden)) == 1:  # layers of one width stay within a unit of each other
        assert max(found.hidden) - min(found.hidden) <= 1


def test_below_the_narrowest_network_there_is_none() -> None:
    assert smaller(MLP(hidden=(64, 64)), 3, perceptron) == MLP(hidden=(2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="its checkpoint fixes its widths"):
        scaled(Causal(checkpoint="x"), 0.5)


@pytest.mark.parametrize(
    ("settings", "share", "nearness"),
    [
        (Convolutional(), 0.3, 0.01), (Convolutional(architecture="paper"), 0.1, 0.01),
        (LSTM(embedding=60, hidden=80), 0.4, 0.01), (LSTM(embedding=60, hidden=60, tied=True), 0.2, 0.04),
        (Transformer(width=64, heads=4, feed_forward=96), 0.3, 0.01), (Seq2Seq(width=32, heads=4), 0.15, 0.02),
    ],
)  # fmt: skip
def test_every_kind_of_network_comes_near_in_its_own_widths(settings: Any, share: float, nearness: float) -> None:
    from lth_core.models import language, transformer
    from lth_core.models.module import ModuleNetwork

    def count(one: Any) -> int:
        if isinstance(one, Convolutional):
            shapes = ConvolutionalActorCritic(one, (4, 84, 84), 6).shapes()
        elif isinstance(one, LSTM):
            shapes = language.recurrent(one, 500).shapes()
        elif isinstance(one, Transformer):
            shapes = language.decoder(one, 500).shapes()
        else:
            made = lambda: transformer.Transformer(one, 500, 20)  # noqa: E731
            shapes = ModuleNetwork(made, transformer.grouping).shapes()
        return sum(shape.numel() for shape in shapes.values())

    wanted = int(share * count(settings))
    found = smaller(settings, wanted, count)
    assert type(found) is type(settings) and abs(count(found) / wanted - 1) < nearness
    kept = {"architecture", "layers", "encoder_layers", "decoder_layers", "tied", "dropout"}
    assert all(getattr(found, name) == getattr(settings, name) for name in kept & set(type(found).model_fields))


@pytest.mark.parametrize(("scope", "keep"), list(itertools.product(["global", "layerwise", "erk"], [[], ["biases"]])))
def test_it_is_made_for_the_number_that_lives_in_the_ticket_with_what_is_never_pruned(
    scope: str, keep: list[str]
) -> None:
    own = experiment(
        arms=["winning", "small_dense"], model={"hidden": [30, 20]},
        pruning={"rounds": 4, "fraction": 0.4, "scope": scope, "keep": keep},
    )  # fmt: skip
    model = make_model(own)
    for round in (1, 4):
        network, made_for = smaller_network(own, model, round)
        own_count = sum(shape.numel() for shape in network.shapes().values())
        assert abs(own_count / made_for - 1) < 0.06
        kept = sum(s.numel() for n, s in model.shapes().items() if keep and n.endswith("bias"))
        prunable = sum(s.numel() for s in model.shapes().values()) - kept
        assert made_for - kept == pytest.approx(prunable * 0.6**round, abs=4)


def test_the_audit_sees_wrong_weights_and_a_network_that_was_made_for_another_number() -> None:
    model = Perceptron(MLP(hidden=(20, 20)), 4, 2)
    whole, mask = model.initialise(0), random_mask(model, 0)
    living = sum(int(m.sum()) for m in mask.values())
    own = Perceptron(MLP(hidden=(12, 12)), 4, 2).initialise(5)

    def failed(start: dict[str, torch.Tensor], made_for: int) -> set[str]:
        return {c.name for c in audit.before_smaller(start, own, made_for, whole, mask) if not c.passed}

    assert not failed(own, living)
    assert failed({n: w + 1 for n, w in own.items()}, living) == {"start_weights"}
    assert failed(own, living + 1) == {"parameters"}
    wide = Perceptron(MLP(hidden=(16, 16)), 4, 2).initialise(5)
    (_, size) = audit.before_smaller(wide, wide, living, {**whole, "more": torch.zeros(10**6)}, mask)
    assert not size.passed  # much larger than the ticket: no control of its size
    (_, said) = audit.before_smaller(own, own, living, whole, mask)
    count = sum(w.numel() for w in own.values())
    assert f"{count:,} parameters, the ticket keeps {living:,} ({count / living - 1:+.2%})" == said.detail


def test_texts_have_smaller_networks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))
    for number, made in enumerate((test_language, test_translation)):
        folder = tmp_path / str(number)
        folder.mkdir()
        own = made.settings(folder, arms=["winning", "small_dense"], pruning={"rounds": 1, "fraction": 0.5})
        batches = Batches(folder, own)
        for key in (*dense(own), TrialKey(1, "small_dense", 0)):
            batches.run([key])
        assert not batches.failures and all(batches.audits[TrialKey(1, "small_dense", 0)].values())


def test_checkpoints_of_others_cannot_be_made_smaller() -> None:
    from lth_core.experiment.experiment import Experiment

    task = {"kind": "language_model", "tokenizer": "checkpoint", "checkpoint": "x"}
    fields = {"name": "x", "seeds": [0], "task": task, "model": {"kind": "causal", "checkpoint": "x"}}
    with pytest.raises(ValueError, match=r'smaller network of model.kind "causal"'):
        Experiment.from_fields({**fields, "arms": ["winning", "small_dense"]})
    with pytest.raises(ValueError, match="expected fresh"):
        experiment(arms=["winning", "mine"], arm={"mine": {"mask": "smaller", "weights": "init"}})


@pytest.mark.processes
def test_through_the_engine_in_batches_of_their_own_beside_all_other_arms(tmp_path: Path) -> None:
    arms = ["winning", "small_dense", "wide_sparse", "gmp", "random"]
    own = tiny(arms=arms, model={"hidden": [24, 24]}, seeds=3)
    with running(tmp_path, slots=2) as r:
        r.submit(own)
        r.until(lambda: r.state(1) in ("done", "failed"))
        trials = views.trials(r.database, 1)
        assert {t.state for t in trials} == {"done"}, [t.error for t in trials]
        mixed = r.database.rows(
            "SELECT batch, GROUP_CONCAT(DISTINCT (arm = 'small_dense') + 2 * (arm = 'wide_sparse')) AS kinds "
            "FROM trials GROUP BY batch"
        )
        assert {row["kinds"] for row in mixed} == {"0", "1", "2"}
        together = r.database.row(
            "SELECT MAX(n) AS n FROM (SELECT COUNT(*) AS n FROM trials WHERE arm = 'small_dense' GROUP BY batch)"
        )
        assert together is not None and together["n"] >= 2  # seeds of one round are one stack
        assert views.audit_counts(r.database, 1)[1] == 0
    database = Database(Workspace(tmp_path).database, writer=False)
    for trial in views.trials(database, 1):
        if trial.arm in ("small_dense", "wide_sparse", "gmp"):
            winning = next(
                t for t in views.trials(database, 1) if (t.arm, t.round, t.seed) == ("winning", trial.round, trial.seed)
            )
            # Of the experiment's network, so that it stands where the ticket stands.
            assert trial.model_density == pytest.approx(winning.model_density, rel=0.05)
            if trial.arm != "small_dense":
                assert trial.density == winning.density and trial.model_density == winning.model_density
    row = database.row("SELECT tensors, sha256 FROM trials WHERE arm = 'small_dense' AND round = 2 AND seed = 0")
    assert row is not None
    arrays, _ = load_tensors(tmp_path / row["tensors"], row["sha256"])
    assert arrays["final/trunk.1.weight"].shape[0] < 24
