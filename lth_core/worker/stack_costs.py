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
from lth_core.worker.fastest import fastest_updates
from lth_core.worker.other_networks import other_networks
from lth_core.worker.sparse_rounds import chosen, stack_of

WORTH = 5.0
"""Seconds of training from which on the measurement is worth its time."""
_UPDATES, _SECONDS, _PATIENCE = 20, 1.0, 600
"""Most turns of updates; CPU seconds after which none follows; seconds until the process is killed."""


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
        tickets, where only living weights are computed; "networks": with other networks, by name and round, as such a
        share. Empty until known."""
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
    """See `found`."""
    parent, largest = os.getppid(), sizes[-1]
    rounds = chosen(experiment, network, "cpu")
    stacks: dict[tuple[int | str, int], Stack] = {
        (size, 0): stack_of(experiment, network, size, "cpu") for size in sizes
    }
    stacks |= {(largest, round): stack_of(experiment, network, largest, "cpu", kept) for round, kept in rounds.items()}
    others = {
        (name, round): stack_of(experiment, other, largest, "cpu")
        for name, networks in other_networks(experiment, network).items()
        for round, other in networks.items()
    }
    fastest = fastest_updates(
        {**stacks, **others}, time.process_time, _SECONDS, lambda: os.getppid() == parent, _UPDATES
    )
    whole = fastest[largest, 0]
    found: dict[str, Any] = {str(size): fastest[size, 0] for size in sizes}
    if rounds:
        found["rounds"] = {str(round): fastest[largest, round] / whole for round in rounds}
    for name, round in others:
        found.setdefault("networks", {}).setdefault(name, {})[str(round)] = fastest[name, round] / whole
    return found
