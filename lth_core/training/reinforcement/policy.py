"""Policies on the network's heads: drawing actions, their log-probabilities and entropy, and gradients by hand.

Shapes: T tickets, B transitions, A actions. Random numbers are passed in, each ticket's from its own stream.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lth_core.models.mlp import in_whole_vectors
from lth_core.settings.action_parts import Parts
from lth_core.training.cuda_graphs import to_host
from lth_core.training.stack import Array

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_NEVER = -1e30
"""The logit of an invalid action: its probability is exactly 0, and 0 times its logarithm is 0, not nan."""


class Terms(Protocol):
    """Log-probabilities and entropies of taken actions, with their gradients."""

    @property
    def log_p(self) -> Tensor:
        """Log-probabilities, or log-densities, (T, B) of the actions."""

    @property
    def entropy(self) -> Tensor:
        """Entropies (T, B) of the policy in their states."""

    def gradient(self, of_log_p: Tensor, of_entropy: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Gradients of a loss with respect to the heads, (T, B, A), and to log_std, (T, A), if there is one.

        From those with respect to log_p and to the entropy, (T, B); None if it has no weight.
        """


class Categorical:
    """One of A choices, by the softmax of the logits."""

    @staticmethod
    def noise(rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape) that `sample` needs for actions of this shape."""
        return rng.random(shape, np.float32)

    @staticmethod
    def empty(*shape: int) -> Array:
        """An empty array for actions of this shape."""
        return np.empty(shape, np.int64)

    @staticmethod
    def sample(logits: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E) by inverting the cumulative distribution of logits (T, E, A) at uniform numbers (T, E).

        valid: (T, E, A), the valid actions; None for all.
        """
        if valid is not None:
            logits = np.where(valid, logits, np.float32(_NEVER))
        # By slices of the last axis, because numpy is slow at reducing short axes.
        odds = logits.transpose(-1, *range(logits.ndim - 1)).copy()
        odds -= functools.reduce(np.maximum, odds)
        np.exp(odds, out=odds)
        cumulated = list(itertools.accumulate(odds))
        threshold = noise * cumulated[-1]
        first, *others = [below < threshold for below in cumulated[:-1]] or [np.zeros(noise.shape, bool)]
        actions: Array = first.astype(np.int64)
        for more in others:
            actions += more
        if valid is not None:
            # A uniform number of exactly 0, and logits of a diverged network, give the first action.
            taken = np.take_along_axis(valid, actions[..., None], -1)[..., 0]
            actions = np.where(taken, actions, valid.argmax(-1))
        return actions

    @staticmethod
    def greedy(logits: Array, valid: Array | None = None) -> Array:
        """The likeliest of the valid actions (T, E); the first of equals."""
        actions: Array = (logits if valid is None else np.where(valid, logits, -np.inf)).argmax(-1)
        return actions

    @staticmethod
    def terms(logits: Tensor, actions: Tensor, valid: Tensor | None = None) -> "CategoricalTerms":
        """See Terms; logits and valid (T, B, A), actions (T, B)."""
        return CategoricalTerms(logits if valid is None else logits.masked_fill(~valid, _NEVER), actions)


def _log_softmax(logits: Tensor) -> Tensor:
    """Logarithms (A, T, B) of the softmax of logits (T, B, A).

    torch is ten times as slow at a softmax of short rows as at one of columns. The bits are the same where columns fill
    whole vector registers, and so are those of the entropy's sum of up to four terms.
    """
    columns = logits.movedim(-1, 0)
    if len(columns) <= 4 and logits.dtype == torch.float32 and in_whole_vectors(columns):
        return columns.contiguous().log_softmax(0)
    return logits.log_softmax(-1).movedim(-1, 0)


class CategoricalTerms:
    """With p the softmax of the logits: log p[a] has the gradient onehot(a) - p, entropy has -p (log p + entropy)."""

    def __init__(self, logits: Tensor, actions: Tensor) -> None:
        self._chosen = actions.unsqueeze(0)
        self._log_p = _log_softmax(logits)  # (A, T, B), as all that follows
        self._p = self._log_p.exp()
        self._entropy = -(self._p * self._log_p).sum(0)

    @functools.cached_property
    def log_p(self) -> Tensor:
        """See Terms."""
        return self._log_p.gather(0, self._chosen).squeeze(0)

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return self._entropy

    def gradient(self, of_log_p: Tensor, of_entropy: Tensor | None) -> tuple[Tensor, None]:
        """See Terms."""
        one = torch.ones((1,) * self._p.dim(), device=self._p.device).expand(self._chosen.shape)
        found = self._p.neg().scatter_add_(0, self._chosen, one)
        found *= of_log_p
        if of_entropy is not None:
            found.addcmul_(self._p * (self._log_p + self._entropy), of_entropy.expand_as(found), value=-1)
        return found.movedim(0, -1), None


class Choices:
    """Several independent choices, each by the softmax of its own logits; A is the sum of `sizes`."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """sizes: how many values each of the K choices has."""
        self._sizes = list(sizes)
        ends = [0, *itertools.accumulate(sizes)]
        self._slices = [slice(*pair) for pair in itertools.pairwise(ends)]

    def _each(self, logits: Array, valid: Array | None) -> list[tuple[Array, Array | None]]:
        return [(logits[..., own], None if valid is None else valid[..., own]) for own in self._slices]

    def noise(self, rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape, K) that `sample` needs for actions of this shape."""
        return rng.random((*shape, len(self._sizes)), np.float32)

    def empty(self, *shape: int) -> Array:
        """An empty array for actions of this shape."""
        return np.empty((*shape, len(self._sizes)), np.int64)

    def sample(self, logits: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E, K) from logits (T, E, A) and uniform numbers (T, E, K); see Categorical."""
        each = self._each(logits, valid)
        return np.stack([Categorical.sample(own, noise[..., k], may) for k, (own, may) in enumerate(each)], -1)

    def greedy(self, logits: Array, valid: Array | None = None) -> Array:
        """The likeliest of the valid actions (T, E, K)."""
        return np.stack([Categorical.greedy(own, may) for own, may in self._each(logits, valid)], -1)

    def terms(self, logits: Tensor, actions: Tensor, valid: Tensor | None = None) -> "ChoicesTerms":
        """See Terms; logits and valid (T, B, A), actions (T, B, K)."""
        own = logits.split(self._sizes, -1)
        may = [None] * len(own) if valid is None else valid.split(self._sizes, -1)
        each = zip(own, actions.unbind(-1), may, strict=True)
        return ChoicesTerms([Categorical.terms(*one) for one in each])


class ChoicesTerms:
    """Of independent parts: log-probabilities and entropies add up, gradients are concatenated."""

    def __init__(self, parts: Sequence[CategoricalTerms]) -> None:
        self._parts = parts

    @functools.cached_property
    def log_p(self) -> Tensor:
        """See Terms."""
        return functools.reduce(torch.add, [part.log_p for part in self._parts])

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return functools.reduce(torch.add, [part.entropy for part in self._parts])

    def gradient(self, of_log_p: Tensor, of_entropy: Tensor | None) -> tuple[Tensor, None]:
        """See Terms."""
        return torch.cat([part.gradient(of_log_p, of_entropy)[0] for part in self._parts], -1), None


class Bits:
    """A independent bits, each 1 with the sigmoid of its logit: a choice of two with the logits 0 and its own.

    valid: (T, E, 2 A), for each bit whether it may be 0 and whether it may be 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count

    def noise(self, rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape, A) that `sample` needs for actions of this shape."""
        return rng.random((*shape, self._count), np.float32)

    def empty(self, *shape: int) -> Array:
        """An empty array for actions of this shape."""
        return np.empty((*shape, self._count), np.int64)

    def sample(self, logits: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E, A) of 0 and 1 from logits and uniform numbers (T, E, A); see Categorical."""
        return Categorical.sample(*self._pairs(logits, noise, valid))

    def greedy(self, logits: Array, valid: Array | None = None) -> Array:
        """The likelier of the valid values of each bit."""
        pairs, _, may = self._pairs(logits, logits, valid)
        return Categorical.greedy(pairs, may)

    @staticmethod
    def _pairs(logits: Array, noise: Array, valid: Array | None) -> tuple[Array, Array, Array | None]:
        pairs = np.stack([np.zeros_like(logits), logits], -1)
        return pairs, noise, None if valid is None else valid.reshape(pairs.shape)

    @staticmethod
    def terms(logits: Tensor, actions: Tensor, valid: Tensor | None = None) -> "BitsTerms":
        """See Terms; logits and actions (T, B, A)."""
        pairs = torch.stack([torch.zeros_like(logits), logits], -1)
        return BitsTerms(Categorical.terms(pairs, actions, None if valid is None else valid.view(pairs.shape)))


class BitsTerms:
    """Of pairs of logits (T, B, A, 2), the first of which is 0."""

    def __init__(self, pairs: CategoricalTerms) -> None:
        self._pairs = pairs

    @functools.cached_property
    def log_p(self) -> Tensor:
        """See Terms."""
        return functools.reduce(torch.add, self._pairs.log_p.unbind(-1))

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return functools.reduce(torch.add, self._pairs.entropy.unbind(-1))

    def gradient(self, of_log_p: Tensor, of_entropy: Tensor | None) -> tuple[Tensor, None]:
        """See Terms."""
        each = None if of_entropy is None else of_entropy.unsqueeze(-1)
        return self._pairs.gradient(of_log_p.unsqueeze(-1), each)[0][..., 1], None


class Gaussian:
    """A numbers, each with a mean from the network and a standard deviation independent of the state."""

    def __init__(self, log_std: Tensor) -> None:
        """log_std: (T, A), current values."""
        self._log_std = log_std
        self._std = log_std.exp()

    @functools.cached_property
    def _numpy_std(self) -> Array:
        # Only for acting, because this waits for a device, which an update must not.
        return to_host(self._std)[:, None]

    def noise(self, rng: np.random.Generator, *shape: int) -> Array:
        """The random numbers (*shape, A) that `sample` needs for actions of this shape."""
        return rng.standard_normal((*shape, self._log_std.shape[1]), np.float32)

    def empty(self, *shape: int) -> Array:
        """An empty array for actions of this shape."""
        return np.empty((*shape, self._log_std.shape[1]), np.float32)

    def sample(self, means: Array, noise: Array, valid: Array | None = None) -> Array:
        """Actions (T, E, A) from means (T, E, A) and standard normal numbers (T, E, A); numbers are never masked."""
        actions: Array = means + self._numpy_std * noise
        return actions

    @staticmethod
    def greedy(means: Array, valid: Array | None = None) -> Array:
        """The likeliest actions."""
        return means

    def terms(self, means: Tensor, actions: Tensor, valid: Tensor | None = None) -> "GaussianTerms":
        """See Terms; means and actions (T, B, A)."""
        return GaussianTerms(means, actions, self._log_std, self._std)


class GaussianTerms:
    """With z = (a - mean) / std, log p has the gradients z / std (mean) and z^2 - 1 (log_std), the entropy 0 and 1."""

    def __init__(self, means: Tensor, actions: Tensor, log_std: Tensor, std: Tensor) -> None:
        self._std = std.unsqueeze(1)
        self._z = (actions - means) / self._std
        # Column by column, because the order of sums over a short last axis depends on the shape.
        parts = self._z.square() * -0.5 - (log_std + _HALF_LOG_TWO_PI).unsqueeze(1)
        self._log_p = functools.reduce(torch.add, parts.unbind(-1))
        entropy = functools.reduce(torch.add, (log_std + 0.5 + _HALF_LOG_TWO_PI).unbind(-1))
        self._entropy = entropy.unsqueeze(1).expand(self._log_p.shape)

    @property
    def log_p(self) -> Tensor:
        """See Terms."""
        return self._log_p

    @property
    def entropy(self) -> Tensor:
        """See Terms."""
        return self._entropy

    def gradient(self, of_log_p: Tensor, of_entropy: Tensor | None) -> tuple[Tensor, Tensor]:
        """See Terms."""
        of_log_p = of_log_p.unsqueeze(-1)
        of_means = of_log_p * self._z / self._std
        of_log_std = (of_log_p * (self._z.square() - 1)).sum(1)
        if of_entropy is not None:
            # In double precision the sum is the same in any order, and so in any stack.
            of_log_std += of_entropy.sum(1, keepdim=True, dtype=torch.float64).to(of_log_std.dtype)
        return of_means, of_log_std


Policy = Categorical | Choices | Bits | Gaussian


def policy(log_std: Tensor | None, parts: Parts = None, logits: int = 0) -> Policy:
    """A Gaussian with these log standard deviations (T, A); for None the policy for the parts of an action."""
    if log_std is not None:
        return Gaussian(log_std)
    if parts is None:
        return Categorical()
    return Bits(logits) if parts == "bits" else Choices(parts)
