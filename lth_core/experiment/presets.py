"""The experiment files that come with the program, found by name: `quick/cartpole`. Reads none of them but its first
comment."""

from pathlib import Path

ORDER = {"quick": 0, "learn": 1, "paper": 2, "suites": 3}


def folder() -> Path:
    """`configs` inside the installed package, or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def names() -> list[str]:
    """All names, the quick ones first."""
    found = [path.relative_to(folder()).with_suffix("") for path in folder().glob("*/*.toml")]
    return [path.as_posix() for path in sorted(found, key=lambda path: (ORDER.get(path.parts[0], len(ORDER)), path))]


def find(path: Path) -> Path:
    """The file of this path; where there is none, that of the preset of this name, if one has it."""
    name = path.with_suffix("") if path.suffix == ".toml" else path
    if name.parts[:1] == ("configs",):
        name = name.relative_to("configs")
    if name.as_posix() not in names() or path.exists():
        return path
    return folder() / f"{name}.toml"


def about(name: str) -> str:
    """The comment that a preset's file begins with, as one line."""
    lines = find(Path(name)).read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:end])
