"""The engine in a process of its own, so that it outlives the terminal: `python -m lth_core.engine.process WORKSPACE`.

It prints one line of JSON that says whether it runs. Standard input is a pipe from the workbench that started it:
while the pipe is open it waits for commands; once it is closed the engine ends when nothing is left to run.
SIGTERM stops it at a checkpoint. No torch, no drawing.
"""

import argparse
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from lth_core.engine.engine import Engine, LeaseHeld
from lth_core.store.database import Database
from lth_core.store.engine_rows import work_left
from lth_core.store.workspace import Workspace
from lth_core.text import one_line

LINGER = 3.0
"""Seconds without anything to run after which an engine without a workbench ends."""


def main() -> int:
    """Run the engine until it is asked to stop, or has nothing left to do."""
    parser = argparse.ArgumentParser(prog="lth_core.engine.process")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--slots", type=int)
    options = parser.parse_args()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    asked_to_stop = _on_sigterm()
    workspace = Workspace(options.workspace)
    try:
        engine = Engine(workspace, options.device, options.slots)
    except LeaseHeld as held:
        return _say({"held": held.pid, "host": one_line(held.host, 60)}, 3)
    except Exception as error:  # the workbench must be able to show any fault
        return _say({"error": one_line(error) or type(error).__name__}, 1)
    engine.start()
    _say({"pid": os.getpid()}, 0)
    _let_go_of_the_terminal()
    watched, idle_since = True, time.monotonic()
    while engine.is_alive() and not asked_to_stop:
        watched = watched and _workbench_is_there()
        if watched or _work_left(workspace):
            idle_since = time.monotonic()
        elif time.monotonic() > idle_since + LINGER:
            break
        if not watched:
            time.sleep(0.5)
    engine.stop(20.0)
    return 1 if engine.error is not None else 0


def _on_sigterm() -> list[int]:
    """A list that is no longer empty once SIGTERM has arrived."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGTERM, note)
    return received


def _say(words: dict[str, Any], code: int) -> int:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()
    return code


def _let_go_of_the_terminal() -> None:
    """Redirect output to nowhere: nobody reads it from here on, and a write must not fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)


def _workbench_is_there() -> bool:
    """Whether the workbench still holds standard input open; waits a moment for its end."""
    return not select.select([0], [], [], 0.5)[0] or bool(os.read(0, 64))


def _work_left(workspace: Workspace) -> bool:
    database = Database(workspace.database, writer=False)
    try:
        return work_left(database)
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
