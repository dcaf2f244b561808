"""How processes of ours are started, with which variables, and how one is asked for what needs torch.

The asking end is on the interface's side, and imports no torch. Specifications and experiments go as their texts, the
answer comes as JSON.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from lth_core.errors import InputError
from lth_core.foreign import contained, output_apart
from lth_core.text import one_line

_KEPT = str(2**30)
"""Bytes of freed memory that a process keeps: the next update needs them again."""


def command(module: str, *arguments: str) -> list[str]:
    """What runs a module of ours. Python files in the current folder, whoever put them there, are not looked at."""
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(threads: int | None = None) -> dict[str, str]:
    """This process's own, and those of one with so many threads, or as many as torch likes.

    Memory goes back to the system only in large amounts: fresh pages cost more than many an operation (a stack of 32
    small networks touched 1,400 an update, a fifth of its time). glibc alone knows these names; elsewhere they do
    nothing. With several threads the bits of MKL's products depend on where in memory their factors lie, and are not
    promised to be the same from run to run, unless it is told to compute them in one way (measured: at no cost).
    """
    found = {
        **os.environ,
        "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads starve their neighbours
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",  # whatever the terminal's language: what an environment prints must not fail
        "PYTHONIOENCODING": "utf-8:backslashreplace",
    }
    found.setdefault("MKL_CBWR", "AUTO,STRICT")
    for name in ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        found.setdefault(name, _KEPT)
    if threads is not None:
        found |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return found


class Unanswered(InputError):
    """The process ended without an answer; says what it wrote last."""


def run_apart(module: str, *arguments: str, **message: Any) -> dict[str, Any]:
    """Run a module of the worker's side in a process of its own; what it prints last is its answer.

    The message goes to its standard input. Raises InputError with its sentence where it has one.
    """
    done = subprocess.run(
        command(module, *arguments), input=json.dumps(message), capture_output=True, text=True,
        check=False, env=variables(),
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    try:
        answer: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = one_line(done.stderr[-300:]) or f"exit code {done.returncode}"
        raise Unanswered(f"{module} ended without an answer: {said}") from None
    if "error" in answer:
        raise InputError(str(answer["error"]))
    return answer


def answer(act: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """The other end: act on the message of standard input and print what comes of it; returns the exit code.

    An InputError is the answer too, in its sentence.
    """
    code, message = 0, json.loads(sys.stdin.read())
    own = output_apart()  # whatever packages print, the answer alone is printed here
    try:
        with contained():
            found = act(message)
    except InputError as error:
        found, code = {"error": str(error)}, 2
    print(json.dumps(found), file=own, flush=True)
    alone = own is not sys.stdout
    if alone and any(not one.daemon and one is not threading.main_thread() for one in threading.enumerate()):
        os._exit(code)  # threads that a package has left would never let the process end
    return code
