"""Starts Python processes of this program: their command, environment variables, and questions that need torch.

The side that asks imports no torch. Specifications and experiments are sent as text; the answer is JSON.
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
"""Bytes of freed memory that a process keeps, because the next update needs them again."""


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this program, ignoring Python files in the current folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(threads: int | None = None) -> dict[str, str]:
    """Environment variables of a new process: this one's own, and those for this many threads (None: torch's choice).

    Freed memory is returned to the system only in large amounts, because new pages are expensive (1,400 in an update
    of a stack of 32 small networks took a fifth of its time). Only glibc knows these names. With several threads, the
    last bits of MKL's products depend on the alignment of their factors unless MKL_CBWR is set (at no measured cost).
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
    """The process ended without an answer; the message holds the last lines it wrote."""


def run_apart(module: str, *arguments: str, threads: int | None = None, **message: Any) -> dict[str, Any]:
    """Run a module of `worker` in a process of its own; its last line of output is the answer.

    The message goes to its standard input. threads: a part of it, and of the environment, as a worker has them: if
    that allows more threads than are used, the last bits of products differ. Raises InputError if the process answered
    with one.
    """
    message |= {} if threads is None else {"threads": threads}
    done = subprocess.run(
        command(module, *arguments), input=json.dumps(message), capture_output=True, text=True,
        check=False, env=variables(threads),
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
    """The other end: read the message from standard input, act on it and print the answer; returns the exit code.

    An InputError is answered as its sentence.
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
