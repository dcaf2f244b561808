"""In which format a training's products are computed. Weights, gradients and optimizer state are float32 throughout."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lth_core.settings.base import Precision


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[None]:
    """For this long, products are in this format; float32 is float32 on a GPU too, where torch's default is not.

    tfloat32 rounds the factors of a product to 10 bits of mantissa on a GPU and is float32 on a CPU. bfloat16 is
    torch's autocast.
    """
    if device.type != "cuda":
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            yield
        return
    before = (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.cudnn_sdp_enabled(),
    )
    # cuDNN's attention makes a plan for every new shape, and batches bucketed by length have many (measured: 10 times
    # as long in bfloat16).
    _allow(precision == "tfloat32", precision == "tfloat32", False)
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            yield
    finally:
        _allow(*before)


def _allow(matmul: bool, cudnn: bool, cudnn_attention: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.backends.cuda.enable_cudnn_sdp(cudnn_attention)
