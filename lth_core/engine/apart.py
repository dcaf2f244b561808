"""Processes of their own for what needs torch: how one is asked, and how it answers, both ends as JSON.

The asking end is on the interface's side, and imports no torch. Specifications and experiments go as their texts.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from lth_core.engine.surroundings import command, variables
from lth_core.errors import InputError
from lth_core.foreign import contained
from lth_core.text import one_line


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
    try:
        with contained():  # whatever packages print, the answer alone is printed here
            found = act(message)
    except InputError as error:
        found, code = {"error": str(error)}, 2
    print(json.dumps(found))
    return code
