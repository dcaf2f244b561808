"""How processes of ours are started: their command, and the environment variables that torch must find."""

import os
import sys

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
