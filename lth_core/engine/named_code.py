"""Checks before queueing or measuring that the code an experiment names can be imported and runs.

The code runs in a process of its own, because foreign code may print, end the process, or replace any module.
"""

import json
from collections.abc import Iterable
from typing import cast

from lth_core.batches.processes import Unanswered, run_apart
from lth_core.errors import InputError
from lth_core.experiment.episodes import check_episodes
from lth_core.experiment.experiment import Experiment
from lth_core.settings.control import ControlTask
from lth_core.text import one_line


def check(experiments: Iterable[Experiment], source: str) -> None:
    """Make one environment of each task that names code; raises InputError, whose sentence begins with `source`."""
    named = [one for one in experiments if isinstance(one.task, ControlTask) and one.task.code]
    told: dict[str, float | None] = {}
    for experiment in named:
        task = cast(ControlTask, experiment.task).environment_alone.model_dump_json()
        environment = one_line(json.loads(task)["environment"])
        try:
            if task not in told:
                told[task] = run_apart("lth_core.worker.code_check", task=task)["episode_steps"]
            check_episodes(experiment, told[task])
        except Unanswered as error:
            raise InputError(
                f'{source}: task.environment = "{environment}": making it ended its process: {error}'
            ) from None
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
