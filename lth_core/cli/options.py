"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from lth_core.text import one_line


def whole(value: object) -> int:
    """A whole number of a command line; unlike typer's own, its refusal names the value."""
    try:
        return int(str(value))
    except ValueError:
        raise typer.BadParameter(f"{one_line(value, 80)}: expected a whole number") from None


Files = Annotated[
    list[Path], typer.Argument(help="Experiment or suite files (TOML), or names of presets.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a field, e.g. pruning.rounds=3.", metavar="FIELD=VALUE"),
]
Folder = Annotated[Path, typer.Option("--workspace", "-w", help="Folder that holds jobs and results.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or a list, e.g. cuda:0,cuda:1.")]
Slots = Annotated[
    int | None,
    typer.Option(parser=whole, metavar="N", help="Parallel workers; by default one per CPU core, four per GPU."),
]
Kind = Annotated[
    str | None,
    typer.Option("--launcher", help="Where batches run, local or slurm; overrides \\[launcher] in the experiment."),
]
Subject = Annotated[
    str, typer.Argument(help="A job's number or name in the workspace, or an experiment file.", show_default=False)
]
MaybeSubject = Annotated[
    str | None,
    typer.Argument(help="A file, or a job or suite by number or name.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead; docs/scripts.md has its fields.")]
Subjects = Annotated[
    list[str],
    typer.Argument(help="Jobs or suites, by number or name.", metavar="JOB...", show_default=False),
]

WORKSPACE = Path("workspace")
