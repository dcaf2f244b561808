"""Running statistics of `normalise`, on a device: the same formulas, in double precision, changed in place."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_core.training.reinforcement.normalise import EPSILON, LIMIT
from lth_core.training.stack import Array


def mean(samples: Tensor) -> Tensor:
    """The mean (T, ...) of samples (T, E, ...). Added by halves: the order of torch's sums may depend on the shape."""
    count = samples.shape[1]
    while (size := samples.shape[1]) > 1:
        half = size // 2
        added = samples[:, :half] + samples[:, half : 2 * half]
        samples = torch.cat([added, samples[:, 2 * half :]], 1)
    return samples[:, 0] / count


class Moments:
    """See normalise.Moments."""

    def __init__(self, *shape: int, device: torch.device) -> None:
        self.mean = torch.zeros(shape, dtype=torch.float64, device=device)
        self.variance, self.count = torch.ones_like(self.mean), torch.zeros_like(self.mean)

    def add(self, samples: Tensor) -> None:
        """Add samples (T, E, *shape)."""
        samples, number = samples.to(torch.float64), samples.shape[1]
        middle = mean(samples)
        off = samples - middle[:, None]
        total, apart = self.count + number, middle - self.mean
        before = self.variance * self.count + apart * apart * (self.count * number / total)
        self.variance.copy_((before + mean(off * off) * number) / total)
        self.mean.add_(apart * (number / total))
        self.count.copy_(total)

    @property
    def deviation(self) -> Tensor:
        """Standard deviation (T, *shape)."""
        return torch.sqrt(self.variance + EPSILON)

    def keep(self, tickets: Sequence[int]) -> None:
        """Drop all tickets but these; the memory moves."""
        rows = torch.tensor(list(tickets), device=self.mean.device)
        self.mean, self.variance, self.count = self.mean[rows], self.variance[rows], self.count[rows]

    def state(self) -> dict[str, Array]:
        """See normalise.Moments."""
        found = {name: getattr(self, name).cpu().numpy().copy() for name in ("mean", "variance", "count")}
        found["count"] = found["count"].reshape(len(found["count"]), -1)[:, 0]
        return found

    def restore(self, arrays: dict[str, Array]) -> None:
        """The inverse of `state`, in place."""
        for name in ("mean", "variance", "count"):
            one, own = torch.from_numpy(arrays[name].copy()), getattr(self, name)
            own.copy_(one.reshape(-1, *[1] * (own.ndim - 1)) if name == "count" else one)


class Observations(Moments):
    """See normalise.Observations."""

    def normalised(self, observations: Tensor) -> Tensor:
        """Normalised observations (T, E, D) float32, not added to the statistics."""
        found = (observations - self.mean[:, None]) / self.deviation[:, None]
        return found.clamp(-LIMIT, LIMIT).to(torch.float32)


class Returns(Moments):
    """See normalise.Returns."""

    def __init__(self, tickets: int, environments: int, gamma: float, device: torch.device) -> None:
        super().__init__(tickets, device=device)
        self._gamma = gamma
        self._running = torch.zeros((tickets, environments), dtype=torch.float64, device=device)

    def normalised(self, rewards: Tensor, ends: Tensor) -> Tensor:
        """Normalised rewards (T, E) of one step, after adding them. ends: (T, E), where an episode ended."""
        running = self._running * self._gamma + rewards
        self.add(running)
        self._running.copy_(running.masked_fill(ends, 0.0))
        return (rewards / self.deviation[:, None]).clamp(-LIMIT, LIMIT).to(torch.float32)

    def keep(self, tickets: Sequence[int]) -> None:
        """See Moments."""
        super().keep(tickets)
        self._running = self._running[torch.tensor(list(tickets), device=self._running.device)]

    def state(self) -> dict[str, Array]:
        """See Moments."""
        return {**super().state(), "running": self._running.cpu().numpy().copy()}

    def restore(self, arrays: dict[str, Array]) -> None:
        """See Moments."""
        super().restore(arrays)
        self._running.copy_(torch.from_numpy(arrays["running"].copy()))
