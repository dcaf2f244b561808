"""The link between a worker and whoever started it."""

import sys

import pytest

from lth_core.batches.batch import Exit
from lth_core.batches.exit_codes import TRANSIENT
from lth_core.batches.link import Link
from lth_core.batches.request import Request

pytestmark = pytest.mark.processes

_WORKER = """
import os, sys
from lth_core.batches.batch import Exit
from lth_core.batches.link import WorkerEnd
end = WorkerEnd()
assert sys.stdin.read() == "", "what a worker runs must not take requests away"
while not end.gone:
    end.read(10.0)
    while (request := end.request()) is not None:
        if request.batch == 1:
            end.answer(Exit(5, "the network is away", 7))
os._exit(85)
"""


def test_only_an_answer_to_the_last_request_says_how_it_ended() -> None:
    link = Link([sys.executable, "-c", _WORKER], {})
    link.ask(Request(1, 1, "sum", 1))
    link.leave()
    assert link.process.wait(60) == 85
    assert link.answer() == Exit(TRANSIENT, "the network is away", 7)
    link.ask(Request(2, 1, "sum", 1))  # to a worker that is gone
    assert link.answer() is None
    link.close()
