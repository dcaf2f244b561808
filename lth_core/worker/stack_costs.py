"""Costs of stacks of later rounds relative to one of this round, measured briefly in a process of its own."""

import contextlib
import os
import signal
import time
import warnings
from collections.abc import Collection, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch

from lth_core.experiment.experiment import Experiment
from lth_core.tickets.network import Network
from lth_core.training.stack import Stack
from lth_core.worker.sparse_rounds import chosen, stack_of

WORTH = 5.0
"""Seconds of training from which on the measurement is worth its time."""
_UPDATES, _SECONDS, _PATIENCE = 20, 1.0, 600
"""Most updates of each size; CPU seconds after which none follows; seconds until the process is killed."""


class StackCosts:
    """Measures stacks of some sizes on the CPU, during the training in this process.

    A fork of this process measures: nothing is imported again, and environments, generators and memory of the training
    are not touched. If anything goes wrong there, there is no answer.
    """

    def __init__(self, experiment: Experiment, network: Network, sizes: Collection[int]) -> None:
        context = get_context("fork")
        self._answer, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_measure, args=(theirs, experiment, network, sorted(sizes)), daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of an environment are not copied
            self._process.start()
        theirs.close()
        self._found: dict[str, Any] = {}

    def found(self) -> dict[str, Any]:
        """CPU seconds of an update by stack size; "rounds": of the largest stack in some rounds, as a share of whole
        tickets, where only living weights are computed. Empty until known."""
        with contextlib.suppress(EOFError, OSError):
            if not self._found and self._answer.poll():
                self._found = self._answer.recv()
        return self._found

    def close(self) -> None:
        """End the measurement without an answer."""
        self._process.kill()
        self._process.join()
        self._answer.close()


def _measure(answer: Connection, experiment: Experiment, network: Network, sizes: list[int]) -> None:
    """In the fork, which ends here without the exit handlers of its parent."""
    try:
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.alarm(_PATIENCE)
        torch.set_num_threads(1)  # the parent's threads do not exist here
        answer.send(_fastest(experiment, network, sizes))
    finally:
        os._exit(0)


def _fastest(experiment: Experiment, network: Network, sizes: Sequence[int]) -> dict[str, Any]:
    """See `found`: of the fastest of a few updates, measured in turn."""
    parent, largest = os.getppid(), sizes[-1]
    rounds = chosen(experiment, network, "cpu")
    stacks = {(size, 0): stack_of(experiment, network, size, "cpu") for size in sizes}
    stacks |= {(largest, round): stack_of(experiment, network, largest, "cpu", kept) for round, kept in rounds.items()}
    fastest = {key: _update(stack) for key, stack in stacks.items()}
    before = time.process_time()
    for _ in range(_UPDATES):
        fastest = {key: min(fastest[key], _update(stack)) for key, stack in stacks.items()}
        if time.process_time() - before > _SECONDS or os.getppid() != parent:
            break
    shares = {str(round): fastest[largest, round] / fastest[largest, 0] for round in rounds}
    return {str(size): fastest[size, 0] for size in sizes} | ({"rounds": shares} if shares else {})


def _update(stack: Stack) -> float:
    before = time.process_time()
    stack.update()
    return time.process_time() - before
