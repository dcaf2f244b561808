"""What the process of the interface loads, and how soon."""

import ast
import subprocess
import sys
from pathlib import Path

import textual.widget

import lth_tui

PACKAGE = Path(lth_tui.__file__).parent

_ALL = """
import sys, pkgutil, importlib, lth_tui
for module in pkgutil.walk_packages(lth_tui.__path__, "lth_tui."):
    importlib.import_module(module.name)
import lth_core.engine.engine, lth_core.experiment_file, lth_core.plan, lth_core.store.commands
print("torch" in sys.modules)
"""


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
