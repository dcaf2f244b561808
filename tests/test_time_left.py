"""Time left: from stacks as they will be formed, at what their like has cost, and nothing before that is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lth_core.coming_stacks import Place
from lth_core.store import job_time, views
from lth_core.store.batches import add_batch, begin_batch
from lth_core.store.database import Database
from lth_core.store.jobs import add_job, set_job
from lth_core.store.trials import ready_trials
from lth_core.time_left import BatchTime, JobTime, seconds_left
from tests.engine.experiments import tiny

SEEDS, ARMS, ROUNDS = 8, 4, 8
COSTS = {4: 1.0, 16: 1.5}
COMING = {Place(round, seed): ARMS for round in range(1, ROUNDS + 1) for seed in range(SEEDS)}


def _job(batches: Sequence[BatchTime], waiting: Mapping[Place, int], **more: object) -> JobTime:
    """Eight seeds of four arms on two slots; a training is of one unit."""
    trials = {0: SEEDS} | dict.fromkeys(range(1, ROUNDS + 1), SEEDS * ARMS)
    lengths = {(round, network): 1.0 for round in trials for network in ("", "wider 2")}
    known = {"trials": trials, "lengths": lengths, "slots": 2, "largest": 64, "costs": {}, **more}
    return JobTime(batches=batches, waiting=waiting, **known)  # type: ignore[arg-type]


def _dense(fraction: float, whole: float | None) -> list[BatchTime]:
    places = [tuple(Place(0, seed) for seed in range(first, first + 4)) for first in (0, 4)]
    return [BatchTime(4, 1.0, 0.0, None, fraction, whole, places=place) for place in places]


def test_nothing_is_said_until_a_stack_of_the_coming_size_is_known() -> None:
    assert seconds_left(_job([], COMING), 0.0) is None
    assert seconds_left(_job(_dense(0.5, 20.0), COMING), 13.0) is None
    assert seconds_left(_job(_dense(0.01, 20.0), COMING, costs=COSTS), 3.0) is None  # too little of it is done


def test_a_job_is_known_from_its_first_seconds_by_what_its_stacks_cost_in_comparison() -> None:
    assert seconds_left(_job(_dense(0.5, 20.0), COMING, costs=COSTS), 13.0) == pytest.approx(10 + 8 * 30)


def test_what_has_run_stands_before_what_was_measured_for_it() -> None:
    dense = [replace(one, fraction=1.0, finished=23.0) for one in _dense(1.0, 20.0)]
    places = tuple(Place(1, seed) for seed in range(8) for _ in range(2))
    under_way = [BatchTime(16, 1.0, 23.0, None, 0.5, 24.0, places=places)] * 2
    coming = {place: count for place, count in COMING.items() if place.round > 1}
    assert seconds_left(_job([*dense, *under_way], coming, costs=COSTS), 35.0) == pytest.approx(12 + 7 * 24)


def test_a_size_between_two_that_have_run_is_known_without_a_measurement() -> None:
    known = [BatchTime(4, 1.0, 0.0, 20.0, 1.0), BatchTime(16, 1.0, 20.0, 60.0, 1.0)]
    assert seconds_left(_job(known, {Place(8, 0): 10}, slots=1), 60.0) == pytest.approx(30.0)


def test_single_tickets_go_one_after_the_other_on_the_slots() -> None:
    ones = [BatchTime(1, 1.0, at, at + 10.0, 1.0) for at in (0.0, 0.0, 10.0, 10.0)]
    assert seconds_left(_job(ones, {Place(2, 0): 4, Place(2, 1): 2}, largest=1), 20.0) == pytest.approx(30.0)


def test_what_a_batch_takes_beside_its_training_is_counted_and_a_workers_start_is_not() -> None:
    first = BatchTime(1, 1.0, 0.0, 20.0, 1.0, 10.0, before=1.0)
    later = BatchTime(1, 1.0, 20.0, 32.0, 1.0, 10.0)
    waiting = {Place(1, 0): 3}
    assert seconds_left(_job([first], waiting, largest=1, slots=1), 20.0) == pytest.approx(33.0)
    assert seconds_left(_job([first, later], waiting, largest=1, slots=1), 32.0) == pytest.approx(36.0)
    evaluating = BatchTime(1, 1.0, 32.0, None, 1.0, 10.0, places=(Place(1, 1),))
    assert seconds_left(_job([first, later, evaluating], {}, slots=1), 43.0) == pytest.approx(1.0)


def test_the_beginning_of_a_training_counts_for_little_beside_whole_ones() -> None:
    ended = BatchTime(1, 1.0, 0.0, 10.0, 1.0, 10.0)
    begun = BatchTime(1, 1.0, 10.0, None, 0.1, 5.0, places=(Place(0, 1),))
    left = seconds_left(_job([ended, begun], {Place(1, 0): 1}, slots=1), 11.0)
    assert left is not None and 17.0 < left < 19.5


def test_stacks_of_another_network_cost_what_its_stacks_have_and_are_not_mixed_with_others() -> None:
    plain = BatchTime(2, 1.0, 0.0, 10.0, 1.0)
    waiting = {Place(1, 0): 2, Place(1, 0, "wider 2"): 2}
    lengths = {(1, ""): 1.0, (1, "wider 2"): 3.0}  # as measured beside the first training
    assert seconds_left(_job([plain], waiting, slots=1, lengths=lengths), 10.0) == pytest.approx(10 + 30)
    wide = BatchTime(2, 3.0, 10.0, 50.0, 1.0, network="wider 2")
    assert seconds_left(_job([plain, wide], waiting, slots=1, lengths=lengths), 50.0) == pytest.approx(10 + 40)


def test_a_slot_beside_a_long_stack_goes_on_with_the_next_round() -> None:
    """Stacks of 8 and 24 that are out of step: the seeds of each go through their rounds on their own."""
    parts = [[Place(1, seed) for seed in seeds for _ in range(ARMS)] for seeds in (range(2), range(2, 8))]
    running = [
        BatchTime(len(part), 1.0, 0.0, None, 0.5, float(seconds), places=tuple(part))
        for part, seconds in zip(parts, (10, 30), strict=True)
    ]
    waiting = {Place(2, seed): ARMS for seed in range(8)}
    # 8 more end in 15 seconds, when the others begin: 16 of them, and the last 8 beside these.
    assert seconds_left(_job(running, waiting), 10.0) == pytest.approx(15 + 20)


def test_a_batch_that_stood_still_in_between_is_counted_by_what_is_left_of_it() -> None:
    resumed = BatchTime(4, 1.0, 100.0, None, 0.75, 100.0, resumed=True, places=(Place(1, 0),) * 4)
    assert seconds_left(_job([resumed], {}), 9_000.0) == pytest.approx(25.0)
    ended = replace(resumed, finished=8_000.0, fraction=1.0)
    assert seconds_left(_job([ended], {Place(2, 0): 4}, slots=1), 9_000.0) == pytest.approx(100.0)


def test_a_database_knows_all_this_of_a_job_that_runs(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    experiment = tiny("one", seeds=4)
    with database.transaction() as connection:
        job = add_job(connection, experiment, "x.toml", {})
        connection.executemany("INSERT INTO slots (name, device) VALUES (?, 'cpu')", [("cpu/0",), ("cpu/1",)])
        ready = [row["id"] for row in ready_trials(connection, job)]
        for slot, trials in enumerate((ready[:2], ready[2:])):
            batch = add_batch(connection, job, trials)
            begin_batch(connection, batch, f"cpu/{slot}")
        set_job(connection, job, "running")
        connection.execute("UPDATE batches SET fraction = 0.5, whole = 20")
    assert views.jobs(database)[0].seconds_left is None
    database.connection.execute("UPDATE batches SET costs = ? WHERE id = 1", ('{"2": 0.004, "4": 0.006}',))
    assert views.jobs(database)[0].seconds_left == pytest.approx(10 + 2 * 30, abs=1.0)
    cheaper = '{"2": 0.004, "4": 0.006, "rounds": {"2": 0.5}}'
    database.connection.execute("UPDATE batches SET costs = ? WHERE id = 1", (cheaper,))
    assert views.jobs(database)[0].seconds_left == pytest.approx(10 + 30 + 15, abs=1.0)
    known = job_time.job_time(database, job, experiment)
    assert (known.slots, known.largest, known.trials) == (2, 64, {0: 4, 1: 8, 2: 8})
    for nonsense in ("[", '{"two": 3}', '{"2": 0}', '{"2": null}', "7", '{"2": 3, "rounds": 7}'):
        database.connection.execute("UPDATE batches SET costs = ? WHERE id = 1", (nonsense,))
        assert views.jobs(database)[0].seconds_left is None
    with database.transaction() as connection:  # both have ended, and nothing has begun yet
        connection.execute("UPDATE trials SET state = 'done' WHERE round = 0")
        connection.execute("UPDATE batches SET state = 'done', slot = NULL, fraction = 1, finished = started + 20")
    assert job_time.job_time(database, job, experiment).slots == 2
    database.close()


@pytest.mark.parametrize(
    ("launcher", "measured", "most"),
    [({"kind": "slurm"}, False, 64), ({"kind": "slurm", "gpus": 1}, False, 2048), ({"kind": "slurm"}, True, 1)],
)
def test_a_stack_on_a_cluster_is_as_large_as_it_will_be(
    launcher: dict[str, Any], measured: bool, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(tmp_path / "workspace.sqlite", writer=True)
    experiment = tiny(launcher=launcher, training={"environments_on": "device"})
    monkeypatch.setattr(type(experiment.model), "stack_is_measured", measured)
    with database.transaction() as connection:
        job = add_job(connection, experiment, "test", {})
        connection.execute("INSERT INTO slots (name, device) VALUES ('slurm/1/1', 'node-1')")
    assert job_time.job_time(database, job, experiment).largest == most
    database.close()


def test_a_database_knows_what_another_network_costs(tmp_path: Path) -> None:
    database = Database(tmp_path / "w.sqlite", writer=True)
    experiment = tiny("one", seeds=2, arms=["winning", "wide_sparse"])
    with database.transaction() as connection:
        job = add_job(connection, experiment, "x.toml", {})
        add_batch(connection, job, [row["id"] for row in ready_trials(connection, job)])
        begin_batch(connection, 1, "cpu/0")
        costs = '{"2": 0.004, "4": 0.006, "networks": {"wider 2": {"1": 3}, "other": 7}}'
        connection.execute("UPDATE batches SET costs = ?", (costs,))
    known = job_time.job_time(database, job, experiment)
    assert known.lengths[2, "wider 2"] == pytest.approx(3 * known.lengths[2, ""]) and known.lengths[2, ""] > 0
    assert known.costs == {2: 0.004, 4: 0.006}
    rounds = range(1, experiment.pruning.rounds + 1)
    assert known.waiting == {Place(k, seed, name): 1 for k in rounds for seed in (0, 1) for name in ("", "wider 2")}
    database.close()
