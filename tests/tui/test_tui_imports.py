"""What the process of the interface loads, and which of its folders knows which."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import textual.widget

import lth_tui

PACKAGE = Path(lth_tui.__file__).parent

_ALL = """
import sys, pkgutil, importlib, lth_tui
for module in pkgutil.walk_packages(lth_tui.__path__, "lth_tui."):
    importlib.import_module(module.name)
import lth_core.engine.engine, lth_core.experiment.file, lth_core.experiment.plan, lth_core.store.commands
print("torch" in sys.modules)
"""


@pytest.mark.processes
def test_nothing_imports_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _ALL], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_no_thread_waits_for_the_screen() -> None:
    for path in PACKAGE.rglob("*.py"):
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert "call_from_thread" not in names, path


def test_widgets_take_no_name_that_textual_uses() -> None:
    from textual.screen import Screen

    allowed = {"render_line", "check_action", "can_focus", "compose", "BINDINGS", "DEFAULT_CSS", "COMPONENT_CLASSES"}
    for path in [*PACKAGE.glob("widgets/*.py"), *PACKAGE.glob("screens/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or not node.bases:
                continue
            base = Screen if "screens" in path.parts else textual.widget.Widget
            methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
            fields = {
                target.attr
                for n in ast.walk(node) if isinstance(n, ast.Assign | ast.AnnAssign)
                for target in (n.targets if isinstance(n, ast.Assign) else [n.target])
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
            }  # fmt: skip
            own = {name for name in methods | fields if not name.startswith(("__", "on_", "action_"))} - allowed
            assert not own & (set(dir(base)) | set(vars(base()))), (path.name, node.name)


KNOWS_NOT = {
    "reading": ("textual", "rich", "lth_tui.app", "lth_tui.content", "lth_tui.plot", "lth_tui.screens"),
    "content": ("textual", "sqlite3", "lth_core.store.database", "lth_tui.app", "lth_tui.screens"),
    "plot": ("sqlite3", "lth_core.store", "lth_tui.app", "lth_tui.reading", "lth_tui.content", "lth_tui.screens"),
    "widgets": ("sqlite3", "lth_core.store.database", "lth_tui.app", "lth_tui.content", "lth_tui.screens"),
    "screens": ("sqlite3", "lth_core.store.database", "lth_tui.reading.reader"),
}
"""What flows through the interface flows one way: reading, content, plot and widgets, screens."""


@pytest.mark.parametrize("folder", KNOWS_NOT)
def test_no_folder_knows_what_comes_after_it(folder: str) -> None:
    for path in (PACKAGE / folder).glob("*.py"):
        for node in runtime_nodes(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            wrong = [name for name in names if f"{name}.".startswith(tuple(f"{far}." for far in KNOWS_NOT[folder]))]
            assert not wrong, (path.name, wrong)


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that are there for the type checker only."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from runtime_nodes(child)
