"""Actions of soft actor-critic: the tanh of a Gaussian's numbers, with means and deviations from observations."""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lth_core.training.stack import Array

LEAST, MOST = -20.0, 2.0
"""Bounds of the logarithms of standard deviations, as in Haarnoja et al. 2018 and Stable-Baselines3."""
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_TWO_LOG_TWO = 2 * math.log(2)


class Squashed:
    """A numbers in (-1, 1), from outputs (T, E, 2 A): means, then logarithms of deviations."""

    def __init__(self, actions: int) -> None:
        self._actions = actions

    def noise(self, rng: np.random.Generator, *shape: int) -> Array:
        """The standard normal numbers (*shape, A) that `sample` needs for actions of this shape."""
        return rng.standard_normal((*shape, self._actions), np.float32)

    def sample(self, outputs: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E, A) by standard normal numbers (T, E, A)."""
        means, logs = outputs[..., : self._actions], outputs[..., self._actions :]
        actions: Array = np.tanh(means + np.exp(np.clip(logs, LEAST, MOST)) * noise)
        return actions

    def greedy(self, outputs: Array, valid: Array | None = None) -> Array:
        """The tanh of the means."""
        actions: Array = np.tanh(np.ascontiguousarray(outputs[..., : self._actions]))
        return actions


_share = np.vectorize(math.erf, otypes=[np.float32])


def uniform(noise: Array) -> Array:
    """Standard normal numbers as numbers uniform in (-1, 1): twice their distribution function, minus 1."""
    found: Array = _share(noise.astype(np.float64) / math.sqrt(2))
    return found


class Drawn(NamedTuple):
    """Actions (T, B, A) and their log-probabilities (T, B), with what their gradients need (T, B, A).

    deviated: deviation times noise; free: 1 where the logarithm of the deviation is within its bounds, else 0.
    """

    actions: Tensor
    log_p: Tensor
    deviated: Tensor
    free: Tensor


def drawn(outputs: Tensor, noise: Tensor) -> Drawn:
    """Actions from outputs (T, B, 2 A) and standard normal numbers (T, B, A); differentiable in the outputs.

    With u = mean + deviation x noise and a = tanh u, log p(a) is that of the Gaussian at u, minus the sum of
    log(1 - a^2) = 2 log 2 - 2 |u| - 2 log(1 + exp(-2 |u|)) (Haarnoja et al. 2018, appendix C).
    """
    means, raw = outputs.split(noise.shape[-1], -1)
    logs = raw.clamp(LEAST, MOST)
    deviated = logs.exp() * noise
    before = means + deviated
    size = before.abs()
    slope = _TWO_LOG_TWO - 2 * size - 2 * (size * -2).exp().log1p()
    each = noise.square() * -0.5 - logs - _HALF_LOG_TWO_PI - slope
    # Column by column, because the order of sums over a short last axis depends on the shape.
    log_p = functools.reduce(operator.add, each.unbind(-1))
    return Drawn(before.tanh(), log_p, deviated, (raw == logs).to(outputs.dtype))


def gradient(own: Drawn, of_actions: Tensor, of_log_p: Tensor) -> Tensor:
    """The gradient (T, B, 2 A) of outputs from those of actions (T, B, A) and log-probabilities, (T, 1, 1) for all."""
    # d log p / d u = 2 a, and d log p / d log deviation = -1 beside what u does.
    of_before = torch.addcmul(of_actions, of_actions, own.actions.square(), value=-1) + own.actions * (2 * of_log_p)
    of_logs = (of_before * own.deviated - of_log_p) * own.free
    return torch.cat([of_before, of_logs], -1)
