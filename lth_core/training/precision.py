"""The number format of a training's matrix products. Weights, gradients and optimizer state are always float32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lth_core.settings.base import Precision


@contextmanager
def products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Within the block, products use this format; float32 means full float32 on a GPU too, unlike torch's default.

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
    # cuDNN's attention plans anew for every new shape, and batches bucketed by length have many (measured: 10 times
    # slower in bfloat16).
    _allow(precision == "tfloat32", precision == "tfloat32", False)
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
            yield
    finally:
        _allow(*before)


def _allow(matmul: bool, cudnn: bool, cudnn_attention: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn
    torch.backends.cuda.enable_cudnn_sdp(cudnn_attention)
