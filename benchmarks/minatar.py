"""Steps per CPU second of MinAtar's five games: 256 at once in our code, against the package one after the other.

Random actions, new games where one ends, observations made at every step on both sides; one thread, in turns.
Run: pip install --no-deps minatar==1.0.15; python -m benchmarks.minatar
"""

import argparse
import logging
import statistics
import time

import numpy as np

logging.disable(logging.WARNING)  # the package asks for matplotlib and seaborn, which only draw

from minatar.environment import Environment

from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.minatar.environments import MinAtar
from lth_core.tasks.minatar.games import GAMES

ACTIONS = np.random.default_rng(0).integers(0, 6, (64, 1, 4096))


def our_rate(games, seconds):
    """Steps of all games per CPU second of one turn."""
    count, steps, start = games._count, 0, time.process_time()
    while time.process_time() - start < seconds:
        for actions in ACTIONS[:, :, :count]:
            games.step(actions)
        steps += len(ACTIONS) * count
    return steps / (time.process_time() - start)


def their_rate(game, seconds):
    """Steps per CPU second of one turn."""
    actions, steps, start = ACTIONS[:, 0, 0].tolist(), 0, time.process_time()
    while time.process_time() - start < seconds:
        for action in actions:
            _, over = game.act(action)
            game.state()
            if over:
                game.reset()
        steps += len(actions)
    return steps / (time.process_time() - start)


def main():
    """Print rates and their ratio: medians over turns, lowest and highest."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--games", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    told = parser.parse_args()
    print(f"{'game':16}{'ours':>12}{'package':>12}{'ratio':>8}   lowest, highest ratio of {told.turns} turns")
    for name in GAMES:
        ours, theirs = MinAtar(MinAtarTask(game=name), [0], told.games), Environment(name)
        ours.reset(), theirs.reset()
        our_rate(ours, told.seconds / 2), their_rate(theirs, told.seconds / 2)
        turns = [(our_rate(ours, told.seconds), their_rate(theirs, told.seconds)) for _ in range(told.turns)]
        rates, ratios = [statistics.median(side) for side in zip(*turns, strict=True)], [a / b for a, b in turns]
        print(
            f"{name:16}{rates[0]:12,.0f}{rates[1]:12,.0f}{statistics.median(ratios):8.1f}   "
            f"{min(ratios):.1f} to {max(ratios):.1f}"
        )


if __name__ == "__main__":
    main()
