"""TensorBoard event files: the backup record of every trial, written while it runs.

They are read back (`events_file`) only to rebuild a database that was lost.
"""

import os
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.summary.writer.record_writer import RecordWriter

from lth_core.experiment.plan import TrialKey
from lth_core.store.workspace import trial_folder

_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.")


class TrialLog:
    """The event file of one trial, in its folder (`trial_folder`) under the job's.

    resumed: it continues from a checkpoint at first_step, whose own points stay in an earlier file. Without thread and
    queue: when `scalars` returns, TensorBoard can read what it wrote.
    """

    def __init__(self, job_folder: Path, key: TrialKey, first_step: int, *, resumed: bool = False) -> None:
        folder = trial_folder(job_folder, key)
        if not folder.resolve().is_relative_to(job_folder.resolve()):
            raise ValueError(f"{folder} is outside the job's folder")
        folder.mkdir(parents=True, exist_ok=True)
        earlier = [int(match[1]) for path in folder.iterdir() if (match := _NAME.match(path.name))]
        repeats = bool(earlier)
        # Readers take files in the order of their names, and clocks are set back.
        second = max([time.time_ns() // 10**9, *(one + 1 for one in earlier)])
        name = f"events.out.tfevents.{second:010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        self._file = (folder / name).open("wb")
        self._writer = RecordWriter(self._file)
        self.write(Event(file_version="brain.Event:2"))
        if repeats:
            # A trial that runs again repeats steps; readers drop the first copy of this step and all after it.
            again = first_step + 1 if resumed else first_step
            self.write(Event(step=again, session_log=SessionLog(status=SessionLog.START)))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write values at a step."""
        entries = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self.write(Event(step=step, summary=Summary(value=entries)))

    def hparams(self, values: Mapping[str, str | int | float | bool]) -> None:
        """Write what TensorBoard's hyperparameter page shows for this trial."""
        summary = Summary.FromString(hparams.hparams_pb(dict(values)).SerializeToString())
        self.write(Event(step=0, summary=summary))

    def write(self, event: Event) -> None:
        """Write an event with the current time."""
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
