"""Checks that a score of training episodes covers those that the experiment names, and that actions were drawn from the
chain's stream."""

from collections.abc import Sequence

import numpy as np

from lth_core.randomness import stream
from lth_core.settings.reinforcement import ReinforcementTraining
from lth_core.tickets.check import Check


def of_episodes(
    settings: ReinforcementTraining, window: tuple[list[float], list[int], int], now: int, span: int, score: float
) -> Check:
    """now: when training ended, in `training.unit` since its start; span: its length. window: see `Episodes.window`."""
    returns, ended_at, ended = window
    if len(returns) < min(ended, settings.score_episodes):
        return Check("score", False, f"{len(returns)} training episodes are kept, expected {settings.score_episodes}")
    counted = returns[-settings.score_episodes :]
    if settings.score_window is not None:
        late = [one for one, at in zip(returns, ended_at, strict=True) if at > now - settings.score_window * span]
        counted = late[-settings.score_episodes :] or counted[-1:]
    mean = sum(counted) / max(1, len(counted))
    said = f"the mean of the last {len(counted)} training episodes is {mean:.8g}"
    return Check("score", abs(mean - score) <= 1e-9 * abs(mean), f"{score:.8g}; {said}")


def of_actions(shape: Sequence[int], normal: bool, state: object, seed: int, updates: int) -> Check:
    """Whether a ticket's stream for actions is where as many updates leave that of its chain.

    shape: of the numbers of one update; normal: whether they are normal, not uniform. state: of the ticket's stream.
    """
    rng = stream(seed, "actions")
    for _ in range(updates):
        if normal:
            rng.standard_normal(shape, np.float32)
        else:
            rng.random(shape, np.float32)
    same = rng.bit_generator.state == state
    return Check("actions", same, f"{updates:,} updates drew {'what' if same else 'other numbers than'} the seed gives")
