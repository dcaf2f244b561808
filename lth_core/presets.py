"""The experiment files that come with the program, found by name: `quick/cartpole`. Reads none of them but its first
comment."""

from collections.abc import Iterator
from pathlib import Path

ORDER = {"quick": 0, "learn": 1, "paper": 2, "suites": 3}


def folders() -> Iterator[Path]:
    """`configs` inside the installed package, or beside the package in a checkout."""
    package = Path(__file__).parent
    yield from (folder for folder in (package / "configs", package.parent / "configs") if folder.is_dir())


def names() -> list[str]:
    """All names, the quick ones first."""
    found = {path.relative_to(folder).with_suffix("") for folder in folders() for path in folder.glob("*/*.toml")}
    return [path.as_posix() for path in sorted(found, key=lambda path: (ORDER.get(path.parts[0], 9), path))]


def find(path: Path) -> Path:
    """The file of this path; where there is none, that of the preset of this name, if one has it."""
    name = path.with_suffix("") if path.suffix == ".toml" else path
    if name.parts[:1] == ("configs",):
        name = name.relative_to("configs")
    if name.as_posix() not in names() or path.exists():
        return path
    return next(file for folder in folders() if (file := folder / f"{name}.toml").is_file())


def about(name: str) -> str:
    """The comment that a preset's file begins with, as one line."""
    lines = find(Path(name)).read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])
