"""Whether torch's compiler is loaded by the processes of a run: two seconds of each, for nothing."""

from pathlib import Path

WATCH = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("sympy", "torch._dynamo"):
            with open({file!r}, "a") as file:
                print(name, *sys.orig_argv, file=file)

sys.meta_path.insert(0, Watch())
"""
"""A sitecustomize.py."""


def watch(folder: Path) -> Path:
    """The file to which every Python that has the folder in its PYTHONPATH adds a line when it loads the compiler."""
    file = folder / "compiler.txt"
    with (folder / "sitecustomize.py").open("a") as own:
        own.write(WATCH.format(file=str(file)))
    return file


def loaded(file: Path) -> str:
    """The lines."""
    return file.read_text() if file.exists() else ""
