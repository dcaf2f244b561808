"""Cost of a stack of the next round relative to one of this round, measured briefly in a process of its own."""

import contextlib
import os
import signal
import time
import warnings
from collections.abc import Collection, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection

import torch

from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.tickets.network import Network
from lth_core.training.families import make_stack
from lth_core.training.stack import Stack, Start

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
        self._found: dict[int, float] = {}

    def found(self) -> dict[int, float]:
        """CPU seconds of an update by stack size; empty until known."""
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


def _fastest(experiment: Experiment, network: Network, sizes: Sequence[int]) -> dict[int, float]:
    """CPU seconds of the fastest of a few updates for each stack size, measured in turn."""
    parent = os.getppid()
    stacks = {size: _stack(experiment, network, size) for size in sizes}
    fastest = {size: _update(stack) for size, stack in stacks.items()}
    before = time.process_time()
    for _ in range(_UPDATES):
        fastest = {size: min(fastest[size], _update(stack)) for size, stack in stacks.items()}
        if time.process_time() - before > _SECONDS or os.getppid() != parent:
            break
    return fastest


def _stack(experiment: Experiment, network: Network, size: int) -> Stack:
    starts = [Start(seed, network.initialise(seed), {}, *experiment.span(DENSE)) for seed in range(size)]
    return make_stack(experiment, network, starts, "cpu")


def _update(stack: Stack) -> float:
    before = time.process_time()
    stack.update()
    return time.process_time() - before
