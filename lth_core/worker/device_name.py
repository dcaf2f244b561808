"""What a device is called in the record of an attempt."""

import torch

from lth_core.batches.provenance import processor


def device_name(device: torch.device) -> str:
    """The device's name; for a CPU with the instruction set that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()} ({torch.backends.cpu.get_cpu_capability()})"
