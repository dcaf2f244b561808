"""Whether wrappers let episodes be replayed: one with memory of earlier episodes would change a resumed job."""

from typing import Any

import numpy as np

from lth_core.errors import InputError
from lth_core.foreign import seed_generators
from lth_core.tasks.maker import Maker
from lth_core.text import one_line

STEPS = 8
"""Steps of each test episode."""


def check(maker: Maker) -> None:
    """Raise InputError, naming the first wrapper with which the same seed and actions later give other results.

    If the environment itself is not repeatable, its wrappers are not judged.
    """
    broken = next((inside for inside in range(len(maker.task.wrappers) + 1) if not _repeats(maker, inside)), 0)
    if broken:
        name = one_line(maker.task.wrappers[broken - 1].name)
        raise InputError(
            f'task.wrappers.{broken - 1} = "{name}": it remembers earlier episodes, so a resumed job would differ: '
            "expected wrappers that reset with each episode (PPO has normalise_observations and "
            "normalise_returns)"
        )


def _repeats(maker: Maker, inside: int) -> bool:
    """Whether an episode is the same before and after another one, inside the first wrappers."""
    made = maker.make(inside=inside)
    made.action_space.seed(0)
    actions = [made.action_space.sample() for _ in range(STEPS)]
    try:
        first, _, again = (_lived(made, seed, actions) for seed in (1, 2, 1))
    except Exception:  # e.g. an action that is not valid now; training reports it
        return True
    finally:
        made.close()
    return first == again


def _lived(made: Any, seed: int, actions: list[Any]) -> list[Any]:
    """Observations and rewards."""
    seed_generators(seed)
    seen = [_plain(made.reset(seed=seed)[0])]
    for action in actions:
        observed, reward, terminated, truncated, _ = made.step(action)
        seen += [_plain(observed), float(reward), bool(terminated or truncated)]
        if terminated or truncated:
            break
    return seen


def _plain(observed: Any) -> Any:
    """An observation of any kind, as a comparable value."""
    if isinstance(observed, dict):
        return {name: _plain(part) for name, part in observed.items()}
    if isinstance(observed, tuple | list):
        return [_plain(part) for part in observed]
    found = np.asarray(observed)
    return type(observed) if found.dtype == object else found.tobytes()
