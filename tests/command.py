"""`lth` in this process, which spares the second that starting one takes, and as a process of its own."""

import contextlib
import importlib
import io
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from lth_core.batches import processes as apart
from lth_core.cli import app
from lth_core.entry.command import _code

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def lth(*arguments: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end in the folder `cwd`; what it printed, and its exit code.

    What it has other processes do is done in this one too, but for an engine's workers and measurements.
    """
    words = [str(argument) for argument in arguments]
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2)]
    handlers = [signal.getsignal(number) for number in HEARD]
    try:
        with (
            contextlib.redirect_stdout(streams[0]),
            contextlib.redirect_stderr(streams[1]),
            contextlib.chdir(cwd or Path.cwd()),
            patch.object(apart, "subprocess", SimpleNamespace(run=_here)),
        ):
            code = _code("lth", lambda: app(words, prog_name="lth"))
    finally:
        for number, handler in zip(HEARD, handlers, strict=True):
            signal.signal(number, handler)
    out, err = (_written(stream) for stream in streams)
    return subprocess.CompletedProcess(words, code if isinstance(code, int) else int(code is not None), out, err)


def _here(command: list[str], *, input: str, **_: Any) -> "subprocess.CompletedProcess[str]":
    """As `run_apart` starts a module; what it says on standard error stays where it is."""
    module, *arguments = command[command.index("-m") + 1 :]
    said = io.StringIO()
    with (
        patch.object(sys, "argv", [module, *arguments]),
        patch.object(sys, "stdin", io.StringIO(input)),
        contextlib.redirect_stdout(said),
    ):
        code = apart.answer(importlib.import_module(module).act)
    return subprocess.CompletedProcess(command, code, said.getvalue(), "")


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def lth_apart(*arguments: object, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """The same as a process, as from a shell."""
    return subprocess.run(
        [sys.executable, "-m", "lth_core.cli", *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
        check=False, timeout=300,
    )  # fmt: skip
