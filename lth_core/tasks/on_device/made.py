"""The environments of a task on a device."""

from collections.abc import Sequence

import torch

from lth_core.settings.control import ControlTask
from lth_core.settings.minatar import MinAtarTask
from lth_core.tasks.on_device import classic
from lth_core.tasks.on_device.environments import DeviceEnvironments
from lth_core.tasks.on_device.minatar.environments import DeviceMinAtar


def make(
    task: ControlTask | MinAtarTask, seeds: Sequence[int], count: int, device: torch.device
) -> DeviceEnvironments:  # fmt: skip
    """The environments of tickets with these chain seeds, `count` for each; raises TypeError for one without a form."""
    if isinstance(task, MinAtarTask):
        return DeviceMinAtar(task, seeds, count, device)
    return classic.make(task, seeds, count, device)
