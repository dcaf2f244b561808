"""Maps an environment's spaces to a network: a flat input vector, logits or means as outputs."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from lth_core.errors import InputError
from lth_core.settings.action_parts import Parts
from lth_core.tasks.step import Array
from lth_core.text import did_you_mean, one_line, plural

log = logging.getLogger("lth.tasks")

_PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)
_INFINITE = 1e15
"""Larger bounds count as infinite: some environments write the largest float for infinity."""


@dataclass(frozen=True)
class Observations:
    """A space of observations as vectors of `size` entries: boxes flattened, discrete parts one-hot.

    For a Dict, `space` has only the entries that the network sees.
    """

    space: gymnasium.Space[Any]
    size: int
    said: set[tuple[int, ...]] = field(default_factory=set, compare=False)
    """Deviating shapes that have been logged."""

    def flat(self, observation: Any) -> Array:
        """The vector (size,) float32 of one observation.

        An observation of another shape but with as many entries as the Box is read in order, and logged once. Raises
        ValueError for another number of entries, and for a value outside a Discrete space.
        """
        if isinstance(self.space, spaces.Box):
            found = np.asarray(observation, np.float32)
            if found.size != self.size:
                raise ValueError(f"an observation of shape {found.shape}, not {self.space.shape}")
            if found.shape != self.space.shape and found.shape not in self.said:
                self.said.add(found.shape)
                log.warning("observations of shape %s are read as %s, in order", found.shape, self.space.shape)
            return found.reshape(-1)
        check_within(self.space, observation)
        try:
            flat = np.asarray(spaces.flatten(self.space, observation), np.float32)
        except IndexError as error:  # a Discrete value that is no whole number
            raise ValueError(f"an observation {one_line(observation, 80)} outside {one_line(self.space)}") from error
        if flat.shape != (self.size,):
            raise ValueError(f"an observation of {flat.size} numbers, not {self.size}")
        return flat


def check_within(space: gymnasium.Space[Any], value: Any, where: str = "") -> None:
    """Raise ValueError, naming value and space, if a Discrete or MultiDiscrete part has a value outside its space.

    Flattening may silently turn it into another value.
    """
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            if name not in value:
                raise ValueError(f"an observation lacks its entry {where}{one_line(name, 80)}")
            check_within(part, value[name], f"{where}{one_line(name, 80)}.")
    elif isinstance(space, spaces.Tuple):
        if len(value) != len(space.spaces):
            raise ValueError(f"an observation of {plural(len(value), 'part')}, not {len(space.spaces)}")
        for number, part in enumerate(space.spaces):
            check_within(part, value[number], f"{where}{number}.")
    elif not _is_within(space, value):
        of = f" of its entry {where[:-1]}" if where else ""
        raise ValueError(f"an observation {one_line(value, 80)}{of} outside {one_line(space)}")


def _is_within(space: gymnasium.Space[Any], value: Any) -> bool:
    if isinstance(space, spaces.Discrete):
        return bool(0 <= value - space.start < space.n)
    if isinstance(space, spaces.MultiDiscrete):
        found = np.asarray(value)
        if found.size != space.nvec.size:
            return True  # reported by its size
        moved = found.reshape(-1) - np.asarray(space.start).reshape(-1)
        return bool(((moved >= 0) & (moved < space.nvec.reshape(-1))).all())
    return True


def one_number(reward: Any) -> float:
    """A reward as a number; it may be an array of any shape with one entry. Raises ValueError for another size."""
    if np.ndim(reward) == 0:
        return float(reward)
    if np.size(reward) != 1:
        raise ValueError(f"a reward of shape {np.shape(reward)}, not one number")
    return float(np.ravel(reward)[0])


@dataclass(frozen=True)
class Actions:
    """An action space, for which a network outputs `count` logits, or `count` means if it is continuous.

    One choice has a logit per value; several choices (`parts`) have theirs side by side; a bit has one logit.

    Continuous actions are scaled so that [-1, 1] covers the whole box if its bounds are finite, then clipped to the
    box. So a policy that starts with mean 0 and standard deviation 1 explores the whole box, whatever its units. There
    is no tanh, so log-probabilities and entropy are those of a Gaussian, taken before clipping, as is usual. Numbers
    with infinite bounds are not scaled. Integers are rounded, each from an interval of the same width.
    """

    count: int
    continuous: bool
    start: int | Array = 0
    shape: tuple[int, ...] = ()
    low: Array | None = None
    high: Array | None = None
    parts: Parts = None
    dtype: np.dtype[Any] | None = None
    """The dtype that the environment expects for integers and parts."""

    @property
    def drawn_shape(self) -> tuple[int, ...]:
        """The shape of one action as a policy draws it: () for one choice."""
        if self.continuous or self.parts == "bits":
            return (self.count,)
        return () if self.parts is None else (len(self.parts),)

    @property
    def bounded(self) -> bool:
        """Whether all numbers of a continuous action have bounds."""
        if not self.continuous or self.low is None or self.high is None:
            return False
        return bool(((np.abs(self.low) < _INFINITE) & (np.abs(self.high) < _INFINITE)).all())

    @property
    def choices(self) -> int:
        """Entries of an action mask: one per value of each choice, two (unset, set) per bit."""
        return 2 * self.count if self.parts == "bits" else self.count

    def translated(self, actions: Array) -> Array:
        """Actions as the environment takes them: (...) int64 choices, (..., n) parts, or (..., count) numbers."""
        if self.parts is not None:
            return (actions + self.start).astype(self.dtype)
        if self.low is None or self.high is None:
            return actions if isinstance(self.start, int) and not self.start else actions + self.start
        if self.dtype is not None:
            return self._rounded(actions, self.low, self.high)
        finite = (np.abs(self.low) < _INFINITE) & (np.abs(self.high) < _INFINITE)
        low, high = np.where(finite, self.low, -1), np.where(finite, self.high, 1)
        scaled = actions * ((high - low) / 2).astype(np.float32) + ((high + low) / 2).astype(np.float32)
        # A diverged network outputs nan, on which physics engines abort; the check of the weights finds its ticket.
        clipped: Array = np.clip(np.nan_to_num(scaled, nan=0.0), self.low, self.high)
        return clipped

    def _rounded(self, actions: Array, low: Array, high: Array) -> Array:
        finite = (np.abs(low) < _INFINITE) & (np.abs(high) < _INFINITE)
        half = np.where(finite, (high - low + 1) / 2, 1.0)
        scaled = np.nan_to_num(actions.astype(np.float64), nan=0.0) * half + np.where(finite, (high + low) / 2, 0.0)
        rounded: Array = np.clip(np.rint(scaled), low, high).astype(self.dtype)
        return rounded

    def valid(self, mask: Any) -> Array:
        """An environment's action mask as (choices,) bool.

        mask: flat, or a sequence with one mask per part. Raises ActionMaskError if it does not fit or leaves a choice
        without a valid value.
        """
        parts = mask if isinstance(mask, tuple | list) else [mask]
        flat = np.concatenate([np.ravel(part) for part in parts]) if parts else np.zeros(0)
        if flat.size != self.choices:
            raise ActionMaskError(f"an action mask of {flat.size} entries, not {self.choices}")
        if not np.isin(flat, (0, 1)).all():
            raise ActionMaskError("an action mask with entries other than 0 and 1, or false and true")
        found: Array = flat.astype(bool)
        sizes = (2,) * self.count if self.parts == "bits" else self.parts or (self.count,)
        for number, own in enumerate(np.split(found, np.cumsum(sizes)[:-1])):
            if not own.any():
                where = "" if self.parts is None else f" in part {number} of the action"
                raise ActionMaskError(f"the action mask leaves no valid action{where}")
        return found


class ActionMaskError(ValueError):
    """An unusable action mask; the message is a sentence."""


def observations(environment: str, space: gymnasium.Space[Any], leave_out: Sequence[str] = ()) -> Observations:
    """How to flatten this space, without the left-out entries of a Dict.

    Raises InputError if it has no fixed size, is empty, or lacks these entries.
    """
    space = _without(space, leave_out) if leave_out else space
    _check_parts(environment, space)
    size = spaces.flatdim(space) if _has_fixed_size(space) else 0
    if size == 0:
        raise InputError(
            f'task.environment "{environment}": observation {one_line(space)}: expected spaces of a fixed size '
            "(Box, Discrete, MultiBinary, MultiDiscrete, and Dict and Tuple of these)"
        )
    return Observations(space, size)


def _without(space: gymnasium.Space[Any], leave_out: Sequence[str]) -> spaces.Dict:
    shown = f"task.leave_out = {json.dumps(list(leave_out))}"
    if not isinstance(space, spaces.Dict):
        raise InputError(f"{one_line(shown)}: observation {one_line(space)} is not a Dict: expected []")
    known = [one_line(name) for name in space.spaces]
    for name in leave_out:
        if name not in space.spaces:
            near = did_you_mean(name, known)
            raise InputError(f"{one_line(shown)}: the observation has no {one_line(name)}: expected {known}{near}")
    return spaces.Dict({name: part for name, part in space.spaces.items() if name not in leave_out})


def _check_parts(environment: str, space: gymnasium.Space[Any]) -> None:
    """Raise InputError, saying how to leave them out, if a Dict has entries of text or of variable size."""
    if not isinstance(space, spaces.Dict):
        return
    unseen = [name for name, part in space.spaces.items() if not _has_fixed_size(part)]
    if 0 < len(unseen) < len(space.spaces):
        first = f"{unseen[0]} = {space.spaces[unseen[0]]}"
        raise InputError(
            f'task.environment "{environment}": the network cannot see {one_line(first)} of its observation, which has '
            f"no fixed size: leave it out with task.leave_out = {one_line(json.dumps(unseen))}"
        )


def _has_fixed_size(space: gymnasium.Space[Any]) -> bool:
    if isinstance(space, spaces.Dict):
        return all(map(_has_fixed_size, space.spaces.values()))
    if isinstance(space, spaces.Tuple):
        return all(map(_has_fixed_size, space.spaces))
    return isinstance(space, _PLAIN)


def actions(environment: str, space: gymnasium.Space[Any]) -> Actions:
    """How to act in this space; raises InputError for Dict, Tuple and other spaces without choices, bits or numbers."""
    if isinstance(space, spaces.Discrete):
        return Actions(int(space.n), False, int(space.start))
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.size > 0:
        parts, start = tuple(map(int, space.nvec.flat)), np.asarray(space.start).reshape(-1)
        return Actions(sum(parts), False, start, tuple(space.shape), parts=parts, dtype=space.dtype)
    if isinstance(space, spaces.MultiBinary) and np.prod(space.shape) > 0:
        return Actions(int(np.prod(space.shape)), False, 0, tuple(space.shape), parts="bits", dtype=space.dtype)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating) and space.low.size > 0:
        low, high = (np.asarray(bound, np.float32).reshape(-1) for bound in (space.low, space.high))
        return Actions(low.size, True, 0, tuple(space.shape), low, high)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer) and space.low.size > 0:
        least, most = (np.asarray(bound, np.float64).reshape(-1) for bound in (space.low, space.high))
        # The largest 64-bit integer is not a double: rounding up to it would overflow.
        most = np.minimum(most, np.nextafter(float(np.iinfo(space.dtype).max) + 1, 0))
        return Actions(space.low.size, True, 0, tuple(space.shape), least, most, dtype=space.dtype)
    raise InputError(
        f'task.environment "{environment}": action {one_line(space)}: '
        "expected Discrete, MultiDiscrete, MultiBinary, and a Box of numbers"
    )
