"""The floors of the house: imports point one way, and the interface's side never imports torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BASE = {"text", "errors", "randomness", "presets", "settings", "foreign", "checkpoint_files", "checkpoint_kinds"}
EXPERIMENT = BASE | {"arms", "experiment", "experiment_file", "plan", "suite", "suite_file", "ticket_files"}
COMMAND = {"entry", "streams", "places"}
MAY_IMPORT = {
    "text": set(),
    "errors": set(),
    "presets": set(),
    "foreign": set(),
    "checkpoint_files": {"text", "errors", "checkpoint_kinds", "checkpoint_weights"},
    "checkpoint_kinds": {"text", "errors"},
    "checkpoint_weights": set(),
    "streams": set(),
    "places": {"text", "errors"},
    "start": {"cli", "lth_tui"},
    "entry": {"text", "errors", "streams", "places"},
    "randomness": set(),
    "settings": BASE,
    "arms": BASE,
    "experiment": BASE | {"arms", "experiment_rules"},
    "experiment_rules": BASE | {"arms", "experiment"},  # the type that they are about
    "ticket_files": BASE,
    "experiment_file": BASE
    | {"arms", "experiment", "experiment_rules", "ticket_files", "tasks"},  # the last to see what can be had
    "plan": BASE | {"arms", "experiment"},
    "suite": BASE | {"experiment", "experiment_file"},
    "suite_file": BASE | {"experiment", "experiment_file", "suite"},
    "tickets": EXPERIMENT,
    "models": BASE | {"tickets", "experiment"},
    "tasks": BASE | {"places"},
    "training": EXPERIMENT | {"tasks", "models", "tickets"},
    "store": EXPERIMENT,
    "analysis": EXPERIMENT | {"store"},
    "engine": EXPERIMENT | {"store", "places"},
    "worker": EXPERIMENT | {"store", "engine", "training", "models", "tickets", "tasks"},
    "report": EXPERIMENT | {"store", "analysis"},
    "cli": EXPERIMENT | {"store", "analysis", "engine", "report"} | COMMAND,
    "lth_tui": EXPERIMENT | {"store", "analysis", "engine", "report"} | COMMAND,
}
WORKER_SIDE = {
    "lth_core.engine.worker",
    "lth_core.engine.attempt",
    "lth_core.engine.assemble",
    "lth_core.engine.measure",
    "lth_core.engine.imported",
    "lth_core.engine.instability",
    "lth_core.engine.solutions",
    "lth_core.engine.ticket_check",
    "lth_core.engine.ticket_export",
    "lth_core.engine.ticket_import",
    "lth_core.engine.code_check",
    "lth_core.engine.connectivity",
    "lth_core.engine.play",
}


def _modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("lth_core", "lth_tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def _floor(module: str) -> str:
    if module in WORKER_SIDE:
        return "worker"
    parts = module.split(".")
    if parts[0] == "lth_tui":
        return "lth_tui"
    return parts[1] if len(parts) > 1 else ""


def _imports(path: Path) -> set[str]:
    """Our own modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith(("lth_core.", "lth_tui"))}


@pytest.mark.parametrize(("module", "path"), _modules(), ids=lambda value: value if isinstance(value, str) else "")
def test_imports_point_down_the_floors(module: str, path: Path) -> None:
    floor = _floor(module)
    if not floor:
        return
    for imported in _imports(path):
        other = _floor(imported)
        if other in MAY_IMPORT and other != floor:
            assert other in MAY_IMPORT.get(floor, BASE), f"{module} ({floor}) imports {imported} ({other})"


def test_the_floors_see_a_wrong_import(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from lth_core.training.a2c import StackedA2C\n")
    assert any(_floor(name) not in MAY_IMPORT["cli"] for name in _imports(wrong))


def test_the_interface_side_never_imports_torch() -> None:
    modules = [m for m, _ in _modules() if _floor(m) not in ("worker", "training", "models", "tickets", "tasks")]
    modules = [m for m in modules if not m.endswith("__main__")]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_help_needs_neither_numpy_nor_torch() -> None:
    code = "import sys; import lth_core.cli; print({'numpy', 'torch', 'gymnasium', 'textual'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_project_speaks_of_itself_alone() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    words = ["/wo" + "rk/", "farm" + "-studio", "pypi" + ".org", "/tm" + "p/venv"]
    for name in listed:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".tcss", "") and path.is_file():
            text = path.read_text(errors="replace")
            assert not [word for word in words if word in text], name
