"""The floors of the house: which folder may import which. `python -m tests.floors` writes them into the docs."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- floors: made by `./dev docs` -->", "<!-- end of floors -->"

_INTERFACE = {"", "settings", "experiment", "store", "batches", "engine", "upkeep", "analysis", "report", "entry"}
MAY_IMPORT = {
    "": set(),
    "settings": {""},
    "checkpoints": {""},
    "tasks": {"", "settings", "checkpoints"},
    "experiment": {"", "settings", "tasks"},
    "tickets": {"", "settings", "experiment"},
    "models": {"", "settings", "checkpoints", "tickets"},
    "training": {"", "settings", "checkpoints", "tasks", "experiment", "tickets", "models"},
    "store": {"", "settings", "experiment"},
    "batches": {"", "experiment", "store"},
    "worker": {"", "settings", "experiment", "tasks", "tickets", "models", "training", "store", "batches"},
    "engine": {"", "settings", "experiment", "store", "batches"},
    "upkeep": {"", "experiment", "store", "batches", "engine"},
    "analysis": {"", "settings", "experiment", "store"},
    "report": {"", "settings", "experiment", "store", "analysis"},
    "claims": {"", "settings", "experiment", "store", "batches", "analysis", "report"},
    "bundle": {"", "settings", "experiment", "store", "batches", "engine", "upkeep", "analysis", "report"},
    "entry": {"", "cli", "lth_tui"},
    "cli": _INTERFACE | {"claims", "bundle"},
    "lth_tui": _INTERFACE,
}
"""By folder, the folders that it may import. The files at the top of lth_core are the ground: ""."""
TORCH = {"tasks", "tickets", "models", "training", "worker"}
"""Folders that may import torch."""


def _about(folder: str) -> str:
    package = ROOT / folder if folder == "lth_tui" else ROOT / "lth_core" / folder
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    return text.split("\n")[0]


def table() -> str:
    """The floors as a table in Markdown, the lowest first."""
    rows = ["| folder | what it is | may import |", "| --- | --- | --- |"]
    for folder, below in MAY_IMPORT.items():
        if folder:
            names = [*sorted(below - {""}), *(["torch"] if folder in TORCH else [])]
            rows.append(f"| `{folder}` | {_about(folder)} | {', '.join(names)} |")
    return "\n".join(rows)


def page() -> str:
    """The documentation's page with the table as it is now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
