"""The optimizer's step on a module's parameters, with masked gradients, state and weights.

Multiplying every gradient by its mask is a pass over memory in each update. Of Adam on a CPU it is saved: the second
moment of a dead weight is set to infinity, so that each of its steps is zero, whatever its gradient is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.supervised import optimizer as module_optimizer
from lth_core.training.supervised.masks import Masks

if TYPE_CHECKING:
    from lth_core.training.supervised.adam_kernel import LargeAdam


class MaskedStep:
    """Masks and optimizer of a training. A call takes a step with the parameters' present gradients."""

    def __init__(
        self, settings: Supervised, parameters: Mapping[str, nn.Parameter], mask: Mask, in_graph: bool = False
    ) -> None:
        """in_graph: steps can be part of a CUDA graph."""
        self._settings, self._parameters = settings, parameters
        self.keeps_dense = False
        self.dense: dict[str, torch.Tensor] = {}
        """The last gradients before masks and clipping, if they are kept."""
        large = _for_kernels(settings, parameters)
        self.masks = Masks(parameters, mask, large)
        self.optimizer = module_optimizer.make(settings, parameters, in_graph or bool(large))
        self._large = _kernels(settings, self.optimizer, large, self.masks) if large else None
        on_cpu = next(iter(parameters.values())).device.type == "cpu"
        # A norm that clips is that of masked gradients. A second moment that forgets all would make infinity no number.
        self._can_hold = on_cpu and settings.optimizer != "sgd" and settings.max_gradient_norm is None
        self._can_hold &= not settings.compile and settings.betas[1] > 0
        self.held = False
        """Whether the optimizer keeps dead weights at zero, so that gradients are not masked."""

    @torch.no_grad()
    def __call__(self) -> None:
        """Mask gradients, clip them, step. What is dead stays zero: it starts so, and so does the optimizer's state."""
        if self.keeps_dense:
            self._keep_dense()
        if not self.held:
            self.masks.gradients()
        if self._large:
            self._large.step([one.grad for one in self._parameters.values() if one.grad is not None])
        elif self._settings.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._settings.max_gradient_norm, foreach=True)
        module_optimizer.step(self._settings, self.optimizer)

    def _keep_dense(self) -> None:
        """In the same memory each time, because each CUDA graph writes to that of its capture."""
        for name, one in self._parameters.items():
            if one.grad is not None and name in self.dense:
                self.dense[name].copy_(one.grad)
            elif one.grad is not None:
                self.dense[name] = one.grad.clone()

    @torch.no_grad()
    def hold(self) -> None:
        """From here on leave dead weights to the optimizer, if it can keep them at zero: once it has entries of all."""
        if self.held or self.keeps_dense or not self._can_hold:
            return
        masked = {name: self._parameters[name] for name in self.masks.alive}
        if not all(self.optimizer.state.get(parameter) for parameter in masked.values()):
            return
        for name, parameter in masked.items():
            self.optimizer.state[parameter]["exp_avg_sq"].masked_fill_(self.masks.alive[name] == 0, torch.inf)
            # No -0, which a step of zero may or may not leave: bits would depend on where a run was interrupted.
            parameter.add_(0.0)
        self.held = True

    @torch.no_grad()
    def _release(self) -> None:
        """Zero the optimizer's entries of dead weights."""
        for name, alive in self.masks.alive.items() if self.held else ():
            for entry in ("exp_avg", "exp_avg_sq"):
                self.optimizer.state[self._parameters[name]][entry].masked_fill_(alive == 0, 0.0)
        self.held = False

    def entries(self) -> dict[str, Weights]:
        """Copies of the optimizer's entries; see `optimizer.read`."""
        self._release()
        return module_optimizer.read(self.optimizer, self._parameters)

    def fill(self, entries: Mapping[str, Weights]) -> None:
        """The inverse of `entries`."""
        self.held = False
        module_optimizer.fill(self.optimizer, self._parameters, entries)

    def narrow(self, mask: Mask) -> bool:
        """See Masks.narrow."""
        self._release()
        return self.masks.narrow(mask, self.optimizer)


def _for_kernels(settings: Supervised, parameters: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """The parameters for which our own kernels pay off: large ones on a GPU that has Triton."""
    device = next(iter(parameters.values())).device
    if device.type != "cuda" or settings.compile or settings.optimizer == "sgd":
        return {}
    try:
        from lth_core.training.supervised.adam_kernel import LARGE, works
    except ImportError:
        return {}
    large = {name: one for name, one in parameters.items() if one.numel() >= LARGE and one.is_contiguous()}
    return large if large and works(device) else {}


def _kernels(
    settings: Supervised, optimizer: torch.optim.Optimizer, large: Mapping[str, nn.Parameter], masks: Masks
) -> LargeAdam:
    from lth_core.training.supervised.adam_kernel import LargeAdam

    return LargeAdam(settings, optimizer, large, masks)
