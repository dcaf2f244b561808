"""The worker: a process on one device slot that trains one batch after another.

    python -m lth_core.worker.worker WORKSPACE DEVICE

Standard input is the link to the engine (`batches.link`); its end means that the engine is gone. SIGTERM asks it to
checkpoint and stop. It writes only into the attempt's folder, and never opens the database. No other module imports
this one: the import holds signals back.
"""

import gc
import signal

# No garbage collection until everything is imported: it took a tenth of the start.
gc.disable()
# Blocked until the handlers are set: the imports below take a while, and a request to stop must not kill.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})

import contextlib
import logging
import os
import resource
import sys
import traceback
from pathlib import Path
from types import FrameType

from lth_core.batches.batch import BatchFolder, Exit, Superseded
from lth_core.batches.exit_codes import CHECKPOINTED, ENGINE_GONE, FAILED, SUPERSEDED, TRANSIENT, code_of, sentence
from lth_core.batches.link import WorkerEnd
from lth_core.batches.provenance import attempt_facts
from lth_core.batches.request import Request
from lth_core.batches.spent import SPENT
from lth_core.store.workspace import Workspace

log = logging.getLogger("lth.worker")


class EngineLink:
    """The engine as the worker sees it: requests to stop, and requests to train."""

    def __init__(self) -> None:
        self.terminated = False
        self._link = WorkerEnd()
        self.answer = self._link.answer
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGUSR2, self._on_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGUSR2})

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.terminated = True

    def must_stop(self) -> bool:
        """Whether to checkpoint and stop; costs one system call."""
        self._link.read(0.0)
        return self.terminated or self.gone

    @property
    def gone(self) -> bool:
        """Whether the engine has ended."""
        return self._link.gone

    def next_batch(self) -> Request | None:
        """Wait for the next request; None if there will be no more."""
        while not self.terminated:
            request = self._link.request()
            if request is not None or self.gone:
                return request
            self._link.read(0.5)
        return None


def main() -> int:
    """Train batches until the engine asks to stop or is gone; returns the exit code."""
    workspace, device = Workspace(Path(sys.argv[1]).absolute()), sys.argv[2]  # an environment may change the folder
    engine = EngineLink()
    with contextlib.suppress(OSError):
        os.nice(10)
    before = 0.0  # the first batch is charged with the start of this process
    while (request := engine.next_batch()) is not None:
        ended = _serve(workspace, device, engine, request, before)
        before = _processor_seconds()
        engine.answer(ended)
        if ended.code != 0:
            return ended.code
    return ENGINE_GONE if engine.gone and not engine.terminated else 0


def _processor_seconds() -> float:
    """Of this process and those that it has ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _serve(workspace: Workspace, device: str, engine: EngineLink, request: Request, before: float) -> Exit:
    """before: processor seconds that belong to earlier batches."""
    folder, attempt = BatchFolder(workspace.batch(request.batch)), request.attempt
    error, needed = "", 0
    try:
        _log_into(folder.attempt(attempt) / "log.txt")
        code = _train(workspace, device, engine, request)
    except Superseded:
        code = SUPERSEDED
    except (Exception, SystemExit) as fault:  # no code of another package ends the process
        with contextlib.suppress(OSError):
            traceback.print_exc()
        code, error, needed = code_of(fault), sentence(fault), getattr(fault, "needed", 0)
        if code == FAILED and not folder.attempt(attempt).is_dir():
            code, error = TRANSIENT, "the batch's folder was removed"  # the engine creates it again
    if code == CHECKPOINTED and engine.gone and not engine.terminated:
        code = ENGINE_GONE
    if code != SUPERSEDED:
        log.info(SPENT, _processor_seconds() - before)
        try:
            folder.publish_exit(attempt, code, error, needed)
        except OSError as fault:
            code, error = code or code_of(fault), error or sentence(fault)  # the answer to the engine says it
    # After a fault the process may be in any state: the next batch gets a new worker.
    return Exit(code, error, needed)


def _train(workspace: Workspace, device: str, engine: EngineLink, request: Request) -> int:
    spec = BatchFolder(workspace.batch(request.batch)).spec_of(request.checksum)
    if spec.experiment.task.large_tensors:
        # Read once, at torch's first allocation: the first batch of a worker decides.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import torch

    torch.set_num_threads(request.threads)
    from lth_core.training.stack import Interrupted
    from lth_core.worker.attempt import Attempt
    from lth_core.worker.device_name import device_name

    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    try:
        running = Attempt(workspace, spec, request.attempt, device, engine.must_stop, request.coming)
    except Interrupted:  # while it prepared its data
        return CHECKPOINTED
    try:
        running.ran_with(attempt_facts(device_name(torch.device(device)), request.threads))
        return running.run()
    finally:
        running.close()


def _log_into(path: Path) -> None:
    """Redirect standard output and error of this process to the attempt's log."""
    with path.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, force=True)


if __name__ == "__main__":
    sys.exit(main())
