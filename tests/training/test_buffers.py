"""Buffers of a network, such as BatchNorm's running statistics: saved, resumed, rewound, exported, or fresh."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey
from lth_core.experiment.ticket_files import Place, read_card, read_tensors
from lth_core.models.module import ModuleNetwork
from lth_core.report.ticket_card import write_card
from lth_core.settings.supervised import Supervised
from lth_core.store.tensors import load_newest_checkpoint, save_checkpoint, save_tensors
from lth_core.store.workspace import Workspace
from lth_core.tickets import audit
from lth_core.tickets.mask import Weights
from lth_core.training.loss_gradients import LossGradients
from lth_core.training.run import RunningTrial, StackRun
from lth_core.training.stack import Arrays, Start
from lth_core.training.supervised.lesson import Batch, Carry
from lth_core.training.supervised.stack import SupervisedStack
from lth_core.worker.assemble import Assembler, Prepared, pack_trained
from lth_core.worker.solutions import line
from lth_core.worker.ticket_export import export
from tests.lessons import Lines
from tests.small import Memory

MEAN, COUNT = "norm.running_mean", "norm.num_batches_tracked"


class Normed(nn.Module):
    """A layer, batch norm, and an output."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.norm, self.output = nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Linear(6, 5)
        self.register_buffer("made_anew", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.relu(self.norm(self.hidden(x).flatten(0, 1)))).unflatten(0, x.shape[:2])


class Seen(Lines):
    """Batches without a memory, whose inputs are not centred."""

    def loss(self, module: nn.Module, batch: Batch, carry: Carry) -> tuple[Tensor, Carry]:
        logits = module(batch.tensors["x"] + 2)
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch.tensors["y"].flatten(), reduction="sum"), ()


def network() -> ModuleNetwork:
    return ModuleNetwork(Normed, lambda name: {name.partition(".")[0]})


def experiment(**rewinding: Any) -> Experiment:
    return Experiment.from_fields({
        "name": "normed", "seeds": [0], "arms": ["winning", "random", "early"],
        "task": {"kind": "language_model"}, "pruning": {"rounds": 2, "fraction": 0.5},
        "training": {"length": 8, "record_every": 4, "checkpoint_every": 3, "learning_rate": 0.1, "average": 2,
                     "average_every": 1},
        "rewinding": {"weights": 4, **rewinding},
        "arm": {"early": {"mask": "iterative", "weights": "init"}},
    })  # fmt: skip


def stack(own: Start, settings: Experiment) -> SupervisedStack:
    assert isinstance(settings.training, Supervised)
    return SupervisedStack(settings.training, network(), Seen(own.seed), [own], "cpu")


def run(prepared: Prepared, settings: Experiment, sink: Any) -> StackRun:
    trial = RunningTrial(prepared.trial.id, prepared.trial.key, prepared.start.mask)
    return StackRun(settings, stack(prepared.start, settings), [trial], sink)


def assembler(folder: Path, settings: Experiment, parents: tuple[ParentSpec, ...] = ()) -> Assembler:
    return Assembler(Workspace(folder), BatchSpec(1, 1, settings, (), parents, ""), network())


def ticket(arm: str, round: int) -> TrialSpec:
    return TrialSpec(1, TrialKey(round, arm, 0))


def trained(folder: Path, settings: Experiment) -> tuple[Assembler, Memory]:
    """The dense run, stored and read again."""
    sink, dense = Memory(), ticket(DENSE, 0)
    prepared = assembler(folder, settings).prepare(dense)
    own = run(prepared, settings, sink)
    (kept,) = own.trials
    assert own.run()
    arrays: Arrays = pack_trained(kept, sink.results[1][1])
    sha256 = save_tensors(folder / "dense.safetensors", arrays, {})
    return assembler(folder, settings, (ParentSpec(1, dense.key, "dense.safetensors", sha256),)), sink


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(w, other[name]) for name, w in one.items())


def test_a_run_killed_and_resumed_ends_with_the_same_bits_in_weights_buffers_and_score(tmp_path: Path) -> None:
    settings = experiment()
    prepared = assembler(tmp_path, settings).prepare(ticket(DENSE, 0))
    whole, stopped, after = Memory(), Memory(stop_at=5), Memory()
    assert run(prepared, settings, whole).run()
    assert not run(prepared, settings, stopped).run()
    step, arrays, values = stopped.checkpoints[-1]
    save_checkpoint(tmp_path, step, arrays, json.loads(json.dumps(values)))
    found = load_newest_checkpoint([tmp_path], {1})
    assert found is not None
    again = run(prepared, settings, after)
    again.restore(*found)
    assert again.run()
    assert after.same_results(whole, 1)
    assert whole.snapshots[1]["statistics"][COUNT] == 8


def test_a_checkpoint_of_a_version_without_buffers_is_gone_on_with(tmp_path: Path) -> None:
    settings = experiment()
    one = stack(assembler(tmp_path, settings).prepare(ticket(DENSE, 0)).start, settings)
    for _ in range(7):
        one.update()
    arrays, values = one.state()
    old = {name: array for name, array in arrays.items() if "running" not in name and "num_batches" not in name}
    one.restore(old, values)
    one.update()
    assert one.evaluate([0], lambda: True)


def test_tickets_start_with_the_buffers_of_the_rewind_point_and_new_weights_with_new_ones(tmp_path: Path) -> None:
    made, sink = trained(tmp_path, experiment())
    ends, rewound = sink.snapshots[1]["statistics"], sink.snapshots[1]["rewind_statistics"]
    assert rewound[COUNT] == 4
    assert not torch.equal(rewound[MEAN], ends[MEAN])
    starts = {arm: stack(made.prepare(ticket(arm, 1)).start, experiment()).statistics(0) for arm in experiment().arms}
    assert same(starts["winning"], rewound)
    assert same(starts["random"], network().buffers())
    assert same(starts["early"], network().buffers())
    fresh, _ = trained(tmp_path, experiment(buffers="fresh"))
    assert fresh.prepare(ticket("winning", 1)).start.statistics is None


def test_the_audit_sees_a_training_that_starts_with_other_buffers(tmp_path: Path) -> None:
    made, sink = trained(tmp_path, experiment())
    prepared = made.prepare(ticket("winning", 1))
    one, wanted = stack(prepared.start, experiment()), made.buffers(prepared)
    assert audit.same_buffers(one.statistics(0), wanted).passed
    assert not audit.same_buffers(sink.snapshots[1]["statistics"], wanted).passed


@pytest.mark.parametrize("arm", [DENSE, "random"])
def test_an_exported_ticket_is_a_whole_state_dict_and_is_taken_with_its_buffers(tmp_path: Path, arm: str) -> None:
    made, sink = trained(tmp_path, experiment())
    if arm != DENSE:
        parent = run(made.prepare(ticket(arm, 1)), experiment(), sink)
        (kept,) = parent.trials
        assert parent.run()
        sha256 = save_tensors(tmp_path / "arm.safetensors", pack_trained(kept, sink.results[1][1]), {})
        own = (*made._spec.parents, ParentSpec(2, kept.key, "arm.safetensors", sha256))
        made = assembler(tmp_path, experiment(), own)
    folder = tmp_path / "ticket"
    shapes = {name: list(shape) for name, shape in network().shapes().items()}
    _, _, running = export(made, ticket(arm, int(arm != DENSE)), folder)
    Normed().load_state_dict(load_file(folder / "start.safetensors"))
    module = Normed()
    module.load_state_dict(load_file(folder / "trained.safetensors"))
    assert same({MEAN: module.get_buffer(MEAN)}, {MEAN: sink.snapshots[1]["scored"][MEAN]})
    facts = {"job": "normed", "arm": arm, "round": 0, "seed": 0, "density": 1.0, "model_density": 1.0, "score": 1.0}
    write_card(folder, experiment(), facts, shapes, {name: list(one.shape) for name, one in running.items()})
    assert "weights = load_file" in (folder / "card.md").read_text()
    assert torch.equal(torch.from_numpy(read_tensors(read_card(folder), "trained")[MEAN]), module.get_buffer(MEAN))
    imported = Experiment.from_fields({
        **json.loads(experiment().canonical()), "arms": ["winning", "imported", "early", "random"],
        "ticket": {"path": str(folder), "weights": "trained", "dense": True, "rounds": [1],
                   "digest": Place(str(folder)).digest([1], [0])},
    })  # fmt: skip
    start = assembler(tmp_path, imported).prepare(ticket(DENSE, 0)).start
    assert same(start.statistics or {}, running)
    # Whoever starts from the dense run's initialisation starts with the buffers that it began with.
    began = assembler(tmp_path, imported, made._spec.parents)
    assert same(began.prepare(ticket("early", 1)).start.statistics or {}, running)
    assert began.prepare(ticket("random", 1)).start.statistics is None


def test_gradients_at_weights_that_were_never_trained_are_those_of_batch_statistics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights: Weights = network().initialise(3)
    monkeypatch.setattr("lth_core.training.loss_gradients.make_lesson", lambda experiment, seed: Seen(seed))
    settings = experiment().model_copy(update={"pruning": experiment().pruning.model_copy(update={"batches": 1})})
    found = LossGradients(settings, network(), 0, "cpu")("gradient", weights, {})
    module, batch = Normed().double().train(), Seen(0).batch(0, 0)
    module.load_state_dict({name: w.double() for name, w in weights.items()}, strict=False)
    loss, _ = Seen(0).loss(module, batch.double(), ())
    (loss / batch.predictions).backward()
    assert all(torch.allclose(found[name], parameter.grad) for name, parameter in module.named_parameters())


def test_between_two_solutions_counts_are_those_of_the_nearer_end() -> None:
    one, other = ({MEAN: torch.full((2,), float(n)), COUNT: torch.tensor(n)} for n in (0, 10))
    assert line(one, other, 0.25)[MEAN].tolist() == [2.5, 2.5]
    assert line(one, other, 0.25)[COUNT] == 0
    assert line(one, other, 0.75)[COUNT] == 10
