"""The built-in experiment files, found by name such as `quick/cartpole`. Reads only their first comments."""

import re
from pathlib import Path

_END = re.compile(r"(?<=[.?]) (?=[A-Z]|\d[\d,]* trainings)")
_KEPT = re.compile(r"^Needs |trainings")
"""What is said in brief beside the first sentence: what an experiment needs, and how much it trains."""

ORDER = {"quick": 0, "learn": 1, "paper": 2, "suites": 3, "claims": 4}


def folder() -> Path:
    """`configs` inside the installed package, or next to it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """All names, the quick ones first."""
    found = [path.relative_to(folder()).with_suffix("") for path in folder().glob("*/*.toml")]
    return [path.as_posix() for path in sorted(found, key=lambda path: (ORDER.get(path.parts[0], len(ORDER)), path))]


def find(path: Path) -> Path:
    """The file at this path, or else the preset with this name, if there is one."""
    if path.exists():
        return path
    name = path.with_suffix("") if path.suffix == ".toml" else path
    if name.parts[:1] == ("configs",):
        name = name.relative_to("configs")
    return folder() / f"{name}.toml" if name.as_posix() in names() else path


def about(name: str) -> str:
    """The first comment of a preset's file, as one line."""
    lines = find(Path(name)).read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])


def brief(about: str) -> str:
    """The first sentence, what the experiment needs, and how much it trains."""
    first, *others = _END.split(about)
    return " ".join([first, *filter(_KEPT.search, others)])
