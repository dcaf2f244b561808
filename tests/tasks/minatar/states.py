"""Invented states of MinAtar's games, in which much happens at once that play seldom brings."""

from typing import Any

import numpy as np

LONGEST = 9
"""Entries of an invented list of fish or submarines."""


def invented(game: str, games: int) -> dict[str, np.ndarray]:
    """Quantities of so many games by the host's names; Seaquest's lists (N, places, fields), counts as `_count`."""
    rng = np.random.default_rng(0)

    def whole(low: int, above: int, *shape: int) -> np.ndarray:
        return rng.integers(low, above, (games, *shape))

    def board(share: float) -> np.ndarray:
        return (rng.random((games, 10, 10)) < share).astype(np.uint8)

    if game == "breakout":
        bricks = board(0.5) * (rng.random((games, 1, 1)) < 0.7)
        bricks[:, [0, *range(4, 10)]] = 0
        return {
            "pos": whole(0, 10), "x": whole(0, 10), "y": whole(0, 9), "direction": whole(0, 4), "strike": whole(0, 2),
            "bricks": bricks, "last_x": whole(0, 10), "last_y": whole(0, 9),
        }  # fmt: skip
    if game == "freeway":
        return {
            "pos": whole(1, 10), "rest": whole(0, 2), "left": whole(0, 12), "x": whole(0, 10, 8),
            "wait": whole(0, 6, 8), "speed": whole(1, 6, 8) * rng.choice([-1, 1], (games, 8)),
        }  # fmt: skip
    if game == "space_invaders":
        aliens = board(0.15)
        aliens[: games // 2] = 0
        aliens[np.arange(games), whole(0, 10), whole(0, 10)] = 1  # often the only one
        return {
            "pos": whole(0, 10), "aliens": aliens, "ours": board(0.3), "theirs": board(0.01), "cool_down": whole(0, 3),
            "direction": rng.choice([-1, 1], games), "move_interval": whole(5, 8), "move_timer": whole(0, 3),
            "shot_timer": whole(0, 3),
        }  # fmt: skip
    if game == "asterix":
        return {
            "x": whole(0, 10), "y": whole(1, 9), "there": rng.random((games, 8)) < 0.7, "at": whole(0, 10, 8),
            "right": whole(0, 2, 8), "gold": whole(0, 2, 8), "spawn_speed": whole(1, 4), "spawn_timer": whole(0, 3),
            "move_speed": whole(1, 4), "move_timer": whole(0, 3), "ramp_timer": whole(-1, 2), "ramp_index": whole(0, 4),
        }  # fmt: skip
    return _seaquest(rng, games)


def _seaquest(rng: np.random.Generator, games: int) -> dict[str, np.ndarray]:
    """Two bullets often fly to the same cell, and several enemies move there at once; most games are in one row."""

    def crowd(longest: int, *fields: list[int]) -> tuple[np.ndarray, np.ndarray]:
        items = np.stack([rng.choice(one, (games, longest)) for one in fields], 2)
        number = rng.integers(0, longest + 1, games)
        items[np.arange(longest) >= number[:, None]] = 0
        return items, number

    rows, found = [1, 1, 2], dict[str, Any]()
    for name, longest, fields in (
        ("ours", 2, [[3, 5], rows, [-1, 1]]),
        ("divers", 2, [[4, 5], rows, [-1, 1], [0, 3]]),
        ("fish", LONGEST, [[1, 3, 5], rows, [1], [0, 2]]),
        ("subs", LONGEST, [[3, 5, 7], rows, [-1], [0, 2], [0, 1]]),
    ):
        found[name], found[f"{name}_count"] = crowd(longest, *fields)
    found["ours"][:, 1, 2] = -found["ours"][:, 0, 2] * (found["ours"][:, 1, 2] != 0)  # no two bullets are alike
    return found | {
        "x": rng.integers(0, 8, games), "y": rng.integers(0, 3, games), "way": rng.choice([-1, 1], games),
        "aboard": rng.integers(0, 7, games), "air": rng.choice([0, 1, 60, 199], games),
        "spawn_timer": np.full(games, 1), "cool_down": np.full(games, 9), "spawn_speed": rng.integers(1, 4, games),
        "move_speed": rng.integers(2, 4, games), "ramp_index": rng.integers(0, 4, games),
        "surfaced": rng.integers(0, 2, games),
    }  # fmt: skip
