"""Arms as data, the plan of trials, and named random streams."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_core.experiment.arms import BUILT_IN, DENSE
from lth_core.experiment.lengths import all_trained, are_equal, length_notes
from lth_core.experiment.plan import TrialKey, plan
from lth_core.randomness import stream, stream_seed
from lth_core.tickets.derive import Family, derive
from tests.small import ARMS, SHARED, experiment, family

ALL = experiment(
    arms=ARMS,
    pruning={"rounds": 4},
    rewinding={"weights": 96},
    training={"learning_rate_schedule": "linear"},
)


def test_the_built_in_arms_are_what_the_documentation_says() -> None:
    kinds = {name: (a.mask, a.weights, a.schedule, a.of) for name, a in BUILT_IN.items()}
    assert kinds == {
        "dense_rewound": ("full", "rewind", "experiment", "winning"),
        "winning": ("iterative", "rewind", "experiment", "winning"),
        "winning_init": ("iterative", "init", "start", "winning"),
        "one_shot": ("one_shot", "rewind", "experiment", "winning"),
        "one_shot_init": ("one_shot", "init", "start", "winning"),
        "random": ("random", "fresh", "experiment", "winning"),
        "random_global": ("random_global", "fresh", "experiment", "winning"),
        "reinit": ("ticket", "fresh", "experiment", "winning"),
        "shuffled_mask": ("shuffled", "rewind", "experiment", "winning"),
        "shuffled_weights": ("ticket", "shuffled", "experiment", "winning"),
        "signed_reinit": ("ticket", "signed", "experiment", "winning"),
        "signed_constant": ("ticket", "constant", "experiment", "winning"),
        "finetune": ("iterative", "final", "end", "winning"),
        "lr_rewind": ("iterative", "final", "rewind", "winning"),
        "gmp": ("gradual", "init", "start", "winning"),
        **{name: (name, "init", "start", "winning") for name in ("static", "set", "rigl")},
        "small_dense": ("smaller", "fresh", "start", "winning"),
        "wide_sparse": ("wider", "fresh", "start", "winning"),
        "imported": ("imported", "rewind", "experiment", "winning"),
        "transferred": ("imported", "imported", "start", "winning"),
        **dict.fromkeys(("magnitude_init", "snip", "grasp", "synflow"), ("one_shot", "init", "start", "winning")),
    }
    at_initialisation = {name: a.criterion for name, a in BUILT_IN.items() if a.at == "init"}
    assert at_initialisation == {"magnitude_init": "magnitude", "snip": "snip", "grasp": "grasp", "synflow": "synflow"}
    assert all(a.criterion == "experiment" for a in BUILT_IN.values() if a.at == "experiment")


def test_every_arm_round_and_seed_is_planned_once_and_one_dense_run_is_shared() -> None:
    keys = [trial.key for trial in plan(ALL)]
    assert len(keys) == len(set(keys)) == 2 + len(ARMS) * 4 * 2
    assert [k for k in keys if k.arm == DENSE] == [TrialKey(0, DENSE, 0), TrialKey(0, DENSE, 1)]
    assert {(k.arm, k.round, k.seed) for k in keys if k.round} == set(itertools.product(ARMS, range(1, 5), (0, 1)))


def test_the_rewound_dense_network_is_trained_once_per_seed_in_round_1() -> None:
    made = experiment(arms=["dense_rewound", "winning", "random"], rewinding={"weights": 96, "schedule": "rewind"})
    own = [trial for trial in plan(made) if trial.key.arm == "dense_rewound"]
    assert [(t.key.round, t.key.seed, t.waits_for) for t in own] == [
        (1, seed, (TrialKey(0, DENSE, seed),)) for seed in made.seeds
    ]
    assert made.span("dense_rewound") == made.span("winning") == (96, 512)
    assert made.reference == "winning" and made.ticket_arms == ("winning", "random")


def test_the_training_behind_each_arm_counts_what_its_weights_have_had_before() -> None:
    arms = ["winning", "winning_init", "random", "finetune", "lr_rewind", "dense_rewound"]
    made = experiment(arms=arms, rewinding={"weights": 96}, training={"learning_rate_schedule": "linear"})
    found = {arm: all_trained(made)[arm] for arm in (DENSE, *arms)}
    assert found == {
        DENSE: (512,), "winning": (608,) * 3, "winning_init": (512,) * 3, "random": (512,) * 3,
        "finetune": (1024, 1536, 2048), "lr_rewind": (928, 1344, 1760), "dense_rewound": (608,),
    }  # fmt: skip
    (note,) = length_notes(made)
    assert note.startswith(
        "training behind each arm, in steps, not the same for all arms: 512 dense, winning_init, random; "
        "608 winning, dense_rewound; 1,024 in round 1 to 2,048 in round 3 finetune; "
    )
    assert "rewinding.equal_training" in note
    assert [*length_notes(experiment())] == ["training behind each arm: 512 steps, the same for all"]


@pytest.mark.parametrize(("schedule", "span"), [("start", (-96, 512)), ("rewind", (0, 512))])
def test_fresh_arms_get_the_steps_to_the_rewind_point_where_that_is_asked(schedule: str, span: tuple[int, int]) -> None:
    rewinding = {"weights": 96, "schedule": schedule, "equal_training": True}
    made = experiment(arms=["winning", "random", "reinit", "dense_rewound"], rewinding=rewinding)
    assert made.span("random") == made.span("reinit") == span and made.span(DENSE) == (0, 512)
    assert are_equal(made)
    (note,) = length_notes(made)
    assert "the same for all" in note and "equal_training" not in note


def test_what_a_trial_waits_for_comes_before_it_and_is_of_its_own_seed() -> None:
    seen: set[TrialKey] = set()
    for trial in plan(ALL):
        assert set(trial.waits_for) <= seen
        assert all(p.seed == trial.key.seed and p.round < trial.key.round for p in trial.waits_for)
        assert len(set(trial.waits_for)) == len(trial.waits_for)
        assert (TrialKey(0, DENSE, trial.key.seed) in trial.waits_for) == (trial.key.round > 0)
        seen.add(trial.key)


def test_a_ticket_and_its_comparison_derive_from_what_the_trial_waits_for_and_nothing_else() -> None:
    whole = family(ALL)
    for trial in plan(ALL):
        key = trial.key
        if key.seed or key.arm not in SHARED:
            continue
        known = {(p.arm, p.round): whole.trained[(p.arm, p.round)] for p in trial.waits_for}
        bare = Family(ALL, 0, whole.groups, known, whole.initialise, whole.loss_derivative, whole.flow)
        derive(bare, key)
        other = ALL.compared_with(key.arm)
        if other is not None:
            derive(bare, TrialKey(key.round, other, 0))


def test_one_shot_and_borrowing_arms_wait_for_no_round_of_their_own() -> None:
    waits = {t.key: t.waits_for for t in plan(ALL)}
    dense, winning = TrialKey(0, DENSE, 0), TrialKey(2, "winning", 0)
    for arm in ("one_shot", "random", "random_global", "reinit", "shuffled_mask", "shuffled_weights"):
        assert set(waits[TrialKey(3, arm, 0)]) == {dense, winning}
    assert set(waits[TrialKey(3, "finetune", 0)]) == {dense, winning, TrialKey(2, "finetune", 0)}
    assert waits[TrialKey(3, "winning", 0)] == (dense, winning)


names = st.lists(
    st.one_of(st.text(st.characters(categories=["L"]), min_size=1, max_size=5), st.integers(0, 50)),
    min_size=1,
    max_size=3,
)


@given(st.integers(0, 2**62), names, names)
def test_streams_are_told_apart_by_every_part_of_their_names(seed: int, a: list, b: list) -> None:
    spelled = [str(x) for x in a] == [str(x) for x in b]
    assert (stream_seed(seed, *a) == stream_seed(seed, *b)) == spelled
    assert stream_seed(seed, *a) != stream_seed(seed + 1, *a)
    assert 0 <= stream_seed(seed, *a) < 2**63


def test_streams_are_fixed_for_all_time() -> None:
    # A change here makes every stored result underivable.
    assert stream_seed(0, "initialisation") == 1232821161063638841
    assert stream(7, "mask", "random").random(2).tolist() == [0.9546172990787763, 0.7355724573599512]


def test_a_stream_starts_anew_each_time_and_disturbs_no_other() -> None:
    first = stream(3, "a").random(5)
    stream(3, "b").random(100)
    np.testing.assert_array_equal(stream(3, "a").random(5), first)
    assert not np.isclose(stream(3, "b").random(5), first).any()
    assert not np.isclose(stream(4, "a").random(5), first).any()


@pytest.mark.parametrize("arm", ARMS)
def test_spans_of_the_training_counter(arm: str) -> None:
    expected = {"finetune": (512, 1024), "lr_rewind": (96, 512)}
    assert ALL.span(arm) == expected.get(arm, (0, 512))
    rewound = experiment(
        rewinding={"weights": 96, "schedule": "rewind"},
        arms=[arm, "winning"] if arm not in ("winning", "winning_init") else ["winning"],
    )
    assert rewound.span("winning") == (96, 512)
    assert rewound.span(DENSE) == (0, 512)
