"""What `lth check` says of an experiment for a cluster; nothing is measured in these tests."""

from dataclasses import replace

import pytest

from lth_core.cli import price
from lth_core.cli.check import _pace, _shape, where
from lth_core.engine.slots import Slot
from lth_core.experiment.experiment import Experiment
from tests.small import experiment

HERE = [Slot("cpu/0", "cpu", 1), Slot("cpu/1", "cpu", 1)]


def made(**launcher: object) -> Experiment:
    return experiment(seeds=[0, 1, 2, 3], arms=["winning", "random"], pruning={"rounds": 2}, launcher=launcher)


def priced(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> tuple[price.Priced, list[tuple[list[Slot], list[int]]]]:
    asked: list[tuple[list[Slot], list[int]]] = []

    def measure(_: Experiment, slots: list[Slot], sizes: list[int]) -> list[dict[str, object]]:
        asked.append((slots, sizes))
        rates = {str(size): float(size) for size in sizes}  # a second for a step of each ticket, in a stack of any size
        prices = {"networks": {"": {"step": {str(size): 1.0 for size in sizes}}}, "steps_per_unit": 1, "start": 10.0}
        told = {"parameters": 7, "densities": [0.8, 0.6], "held": dict.fromkeys(rates, 0)}
        return [{"rates": rates, "prices": prices if not place else None, **told} for place in range(len(slots))]

    monkeypatch.setattr(price, "_measure", measure)
    return price.price(experiment, HERE), asked


def test_a_cluster_trains_as_many_stacks_at_once_as_jobs_may_be_submitted(monkeypatch: pytest.MonkeyPatch) -> None:
    here, measured_here = priced(made(kind="local"), monkeypatch)
    there, measured_there = priced(made(kind="slurm", most_jobs=4, cpus=3), monkeypatch)
    assert measured_here == [(HERE, [2, 4])]  # stacks of dense runs, then of both arms
    assert measured_there == [([Slot("cpu/0", "cpu", 3)], [1, 2])]
    length = made().training.length
    # Two arms of four seeds: a stack a round on each of two slots, which start once; there four, each a process.
    assert here.cost.seconds == 3 * length + 10 and here.cost.work == 2 * here.cost.seconds
    assert there.cost.seconds == 3 * (length + 10) and there.cost.work == 4 * there.cost.seconds


def test_stacks_that_must_be_measured_are_not_formed_on_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(made().model), "stack_is_measured", True)
    there, asked = priced(made(kind="slurm", most_jobs=4), monkeypatch)
    assert asked[0][1] == [1] and there.stack == 1


@pytest.mark.parametrize(
    ("launcher", "said"),
    [
        ({"kind": "local"}, "on each of 2 slots (2 on cpu)"),
        ({"kind": "slurm"}, "in each of at most 16 jobs of the cluster (measured here, on cpu)"),
        ({"kind": "slurm", "gpus": 1}, "(measured here, on cpu; of the cluster's cuda that says little)"),
    ],
)  # fmt: skip
def test_it_says_where_the_stacks_train(
    launcher: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    asked = made(**launcher)
    assert where(asked, priced(asked, monkeypatch)[0]).endswith(said)


def test_the_whole_of_a_suite_is_told_at_the_pace_of_its_members() -> None:
    here, there = made(kind="local"), made(kind="slurm")
    assert _pace([here, here]) == "on an idle machine"
    assert _pace([there, there]) == "at the pace of this machine, without waiting for the cluster"
    assert _pace([here, there]) == "one after the other"


def test_json_has_the_bytes_of_replay_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = priced(made(kind="local"), monkeypatch)
    monkeypatch.setattr("lth_core.cli.check.price", lambda experiment, slots: replace(found, held=1234))
    cost = _shape(made(kind="local"), HERE).cost
    assert cost is not None and cost.replay == 1234 and cost.bytes == found.cost.bytes
