"""Makes an environment whose code an experiment names, in a process of its own; see engine.named_code.

python -m lth_core.worker.code_check < {"task": ...}
"""

import sys
from typing import Any

from lth_core.batches.processes import answer
from lth_core.settings.control import ControlTask
from lth_core.tasks import control


def act(message: dict[str, Any]) -> dict[str, Any]:
    """`episode_steps` (see tasks.control) of the environment, once it has proved usable for training."""
    return {"episode_steps": control.episode_steps(ControlTask.model_validate_json(message["task"]))}


if __name__ == "__main__":
    sys.exit(answer(act))
