"""The floors of the house: imports point one way, in no circle, and the interface's side never imports torch."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.floors import MAY_IMPORT, PAGE, ROOT, TORCH, page


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("lth_core", "lth_tui"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _floor(module: str) -> str:
    parts = module.split(".")
    if parts[0] == "lth_tui":
        return "lth_tui"
    return parts[1] if len(parts) > 1 and (ROOT / parts[0] / parts[1]).is_dir() else ""


@functools.cache
def _imports(source: str) -> set[str]:
    """Our own modules that a source imports, anywhere in it, for its types alone too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return {name for name in found if name.startswith(("lth_core", "lth_tui"))}


def _wrong(module: str, source: str) -> list[str]:
    floor = _floor(module)
    return [
        f"{module} imports {name}"
        for name in sorted(_imports(source))
        if _floor(name) != floor and _floor(name) not in MAY_IMPORT[floor]
    ]


def _circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of nodes that reach one another."""
    reached: dict[str, set[str]] = {}
    for node in graph:
        seen, ahead = set(), [node]
        while ahead:
            for following in graph.get(ahead.pop(), set()) - seen:
                seen.add(following)
                ahead.append(following)
        reached[node] = seen
    groups = [
        {node} | {n for n in seen if node in reached.get(n, ())} for node, seen in reached.items() if node in seen
    ]
    return [group for place, group in enumerate(groups) if group not in groups[:place]]


def test_imports_point_down_the_floors() -> None:
    wrong = [sentence for module, path in MODULES.items() for sentence in _wrong(module, path.read_text())]
    assert not wrong


def test_every_folder_has_its_floor() -> None:
    assert {_floor(module) for module in MODULES} == set(MAY_IMPORT)


def test_the_floors_see_a_wrong_import() -> None:
    assert _wrong("lth_core.cli.show", "def f():\n    from lth_core.training.reinforcement.a2c import A2C\n")
    assert _wrong("lth_core.text", "from lth_core.settings import base\n")


def test_no_imports_run_in_a_circle() -> None:
    graph = {module: _imports(path.read_text()) - {module} for module, path in MODULES.items()}
    assert _circles(graph) == []
    floors: dict[str, set[str]] = {floor: set() for floor in MAY_IMPORT}
    for module, imported in graph.items():
        floors[_floor(module)] |= {_floor(name) for name in imported} - {_floor(module)}
    # lth_core.entry begins the commands and serves them: two of its files, no circle of files.
    assert _circles(floors) in ([], [{"entry", "cli", "lth_tui"}])


def test_no_module_imports_the_worker_which_holds_signals_back() -> None:
    assert [name for name, path in MODULES.items() if "lth_core.worker.worker" in _imports(path.read_text())] == []


def test_a_circle_is_seen() -> None:
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]


_SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|CREATE|ALTER|DROP|PRAGMA|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE"
    r"|VACUUM|ATTACH)\b"
)


def _sql(source: str) -> list[str]:
    """Where a source speaks SQL: texts that begin like a statement, and calls that execute one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL.match(node.value):
            found.append(f"line {node.lineno}: {node.value[:40]}")
        elif isinstance(node, ast.Attribute) and node.attr in ("execute", "executemany", "executescript"):
            found.append(f"line {node.lineno}: .{node.attr}")
    return found


def test_sql_is_spoken_in_the_store_alone() -> None:
    wrong = {m: _sql(path.read_text()) for m, path in MODULES.items() if _floor(m) != "store"}
    assert not {module: found for module, found in wrong.items() if found}


def test_sql_is_seen() -> None:
    planted = ('d.row("SELECT 1")', 'f"UPDATE {table} SET x = 1"', "connection.execute(text)", '"""\\n PRAGMA x"""')
    assert all(map(_sql, planted))
    assert not _sql('print("Select a job, or update it")')


def test_the_documentation_has_these_floors() -> None:
    assert PAGE.read_text() == page(), "./dev docs writes them"


@pytest.mark.processes
def test_the_interface_side_never_imports_torch() -> None:
    modules = [m for m in MODULES if _floor(m) not in TORCH and not m.endswith("__main__")]
    code = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.processes
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
