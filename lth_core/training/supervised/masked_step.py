"""The optimizer's step on a module's parameters, with masked gradients, state and weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from lth_core.settings.supervised import Supervised
from lth_core.tickets.mask import Mask
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
        large = _for_kernels(settings, parameters)
        self.masks = Masks(parameters, mask, large)
        self.optimizer = module_optimizer.make(settings, parameters, in_graph or bool(large))
        self._large = _kernels(settings, self.optimizer, large, self.masks) if large else None

    @torch.no_grad()
    def __call__(self) -> None:
        """Mask gradients, clip them, step. What is dead stays zero: it starts so, and so does the optimizer's state."""
        self.masks.gradients()
        if self._large:
            self._large.step([one.grad for one in self._parameters.values() if one.grad is not None])
        elif self._settings.max_gradient_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters.values(), self._settings.max_gradient_norm, foreach=True)
        module_optimizer.step(self._settings, self.optimizer)

    def narrow(self, mask: Mask) -> bool:
        """See Masks.narrow."""
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
