"""Slurm's commands in threads of their own, one that submits and one that asks: what follows them is done here."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from lth_core.engine.launchers.slurm_commands import SlurmError, end_commands

Then = Callable[[Any], None]
Otherwise = Callable[[SlurmError], None]

PARTING = 2.0
"""Seconds that commands still have when the engine ends."""


class Commands:
    """Runs commands in the background; `then` or `otherwise` of each is called by a later `collect`."""

    def __init__(self) -> None:
        self._submitter = ThreadPoolExecutor(1, "lth-sbatch")
        self._asker = ThreadPoolExecutor(1, "lth-squeue")
        self._pending: list[tuple[Future[Any], Then, Otherwise]] = []

    def submit(self, act: Callable[[], Any], then: Then, otherwise: Otherwise) -> None:
        """Run what submits a job."""
        self._pending.append((self._submitter.submit(act), then, otherwise))

    def ask(self, act: Callable[[], Any], then: Then, otherwise: Otherwise) -> None:
        """Run what asks about jobs, or cancels them."""
        self._pending.append((self._asker.submit(act), then, otherwise))

    def collect(self) -> None:
        """Have followed what has ended. Raises what a command has raised, unless it is a SlurmError."""
        done = [entry for entry in self._pending if entry[0].done()]
        self._pending = [entry for entry in self._pending if entry not in done]
        for future, then, otherwise in done:
            error = future.exception()
            if isinstance(error, SlurmError):
                otherwise(error)
            else:
                then(future.result())  # any other exception is ours, and ends the engine

    def close(self) -> None:
        """Let what submits come to its end, and have it followed; what still asks is ended."""
        wait([future for future, *_ in self._pending], timeout=PARTING)
        end_commands()  # one that waits for its controller would hold up the end of the process
        self._submitter.shutdown(wait=True)
        self.collect()
        self._asker.shutdown(wait=True, cancel_futures=True)
