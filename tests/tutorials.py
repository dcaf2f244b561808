"""A tutorial as a program: its files, its commands in order, and what it says they print."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "tutorials"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NONE = r"(?<![\d.,])0(?![\d.,])"


@dataclass(frozen=True)
class Tutorial:
    """The blocks of a page. files: by name, which their first line says in a comment."""

    files: dict[str, str]
    commands: str
    printed: list[str]


def read(name: str) -> Tutorial:
    """Raises ValueError for a block of another kind, or a file without a name."""
    files, commands, printed = {}, [], []
    for kind, text in _BLOCK.findall((FOLDER / f"{name}.md").read_text()):
        if kind == "sh":
            commands.append(text)
        elif kind == "text":
            printed += text.splitlines()
        elif kind in ("python", "toml") and (found := re.match(r"# (\w+\.\w+)\n", text)):
            files[found[1]] = text
        else:
            raise ValueError(
                f"{name}.md: a block of {kind} is neither a command, a file with a name, nor what is printed"
            )
    return Tutorial(files, "".join(commands), printed)


def names() -> list[str]:
    """All tutorials."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def run(tutorial: Tutorial, folder: Path, **variables: str) -> str:
    """Do what it says in an empty folder, as a reader does; returns what was printed.

    Raises AssertionError if a command fails. The programs are those of this environment.
    """
    for name, text in tutorial.files.items():
        (folder / name).write_text(text)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tutorial.commands], cwd=folder, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "PATH": path, **variables}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def missing(tutorial: Tutorial, said: str) -> list[str]:
    """Lines that the page shows and that were not printed; numbers may be others, but none stays none."""

    def shown(line: str) -> str:
        return re.sub(r"\d(?:\\?[.,]?\d)*", lambda found: _NONE if found[0] == "0" else r"[\d.,]+", re.escape(line))

    return [line for line in tutorial.printed if not re.search(shown(line), said)]
