"""MinAtar's games against the package itself over 10,000 random steps each, state by state: some minutes.

Run: pip install --no-deps minatar==1.0.15; pytest -m slow tests/slow/test_minatar_games.py
"""

import numpy as np
import pytest

from tests.tasks.minatar.played import CASES, GAMES, Case, Ours, Theirs, trajectory

STEPS = 10_000
MORE = [Case(game, ramping, sticky, False) for game in GAMES for ramping, sticky in ((True, 0.0), (False, 0.1))]


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, *MORE], ids=lambda case: case.name)
def test_games_are_those_of_the_package_over_many_steps(case: Case) -> None:
    pytest.importorskip("minatar")
    both = zip(trajectory(Ours(case), STEPS), trajectory(Theirs(case), STEPS), strict=True)
    earned, ended = 0.0, 0
    for place, (ours, theirs) in enumerate(both):
        for name, one, other in zip(("rewards", "ends", "before", "after"), ours, theirs, strict=True):
            assert np.array_equal(one, other), f"{name} of step {place}"
        earned, ended = earned + float(ours[0].sum()), ended + int(ours[1].sum())
    print(f"\n{case.name}: {STEPS} steps of {len(ours[1])} games, {earned:g} earned, {ended} ends")
