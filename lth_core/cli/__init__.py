"""`lth`: the command line. Each command imports what it needs when it runs, so that `lth --help` stays instant."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lth_core.entry.command import enter
from lth_core.errors import InputError

app = typer.Typer(
    help="Lottery-ticket experiments: train, prune, rewind, repeat; winning tickets against random ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Files = Annotated[
    list[Path], typer.Argument(help="Files of experiments or suites (TOML), or names of presets.", show_default=False)
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a field, as in pruning.rounds=3.", metavar="FIELD=VALUE"),
]
Folder = Annotated[Path, typer.Option("--workspace", "-w", help="Folder that holds jobs and results.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or a list such as cuda:0,cuda:1.")]
Slots = Annotated[int | None, typer.Option(help="Workers; by default one per CPU core and four shares of each GPU.")]
Kind = Annotated[
    str | None,
    typer.Option("--launcher", help="local or slurm: where batches run, over the experiment's \\[launcher]."),
]
Subject = Annotated[
    str, typer.Argument(help="A job's number in the workspace, or an experiment file.", show_default=False)
]
MaybeSubject = Annotated[
    str | None, typer.Argument(help="A job's number in the workspace, or a file.", show_default=False)
]

WORKSPACE = Path("workspace")


@app.command()
def headless(
    files: Files, workspace: Folder = WORKSPACE, set_: Set = None, device: Device = "auto", slots: Slots = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line per event.")] = False,
    again: Annotated[bool, typer.Option(help="Run anew what the workspace already holds.")] = False,
    launcher: Kind = None,
) -> None:  # fmt: skip
    """Run experiments to their verdict, without the workbench.

    Exit codes: 0 done, 1 a trial failed or a job was cancelled, 2 bad input, 130 interrupted (run again to go on).
    """
    from lth_core.cli.headless import on_launcher, run

    sys.exit(run(files, workspace, [*(set_ or []), *on_launcher(launcher)], device, slots, as_json=json, again=again))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Experiment or suite: a file, or a preset.", show_default=False)],
    set_: Set = None, device: Device = "auto", slots: Slots = None,
    measure: Annotated[bool, typer.Option(help="Measure the step rate for the estimate of time.")] = True,
) -> None:  # fmt: skip
    """Print an experiment as resolved, its trials, and an estimate of time and disk."""
    from lth_core.cli.check import check as run

    run(file, set_ or [], device, slots, measure=measure)


@app.command()
def presets() -> None:
    """List the experiments and suites that come with the program; their names serve as files do."""
    from lth_core.cli.presets import run

    run()


@app.command()
def fields() -> None:
    """Print every field of an experiment file, what is accepted, and its default."""
    from lth_core.cli.field_page import show as run

    run()


@app.command()
def show(
    subject: MaybeSubject = None, workspace: Folder = WORKSPACE,
    suite: Annotated[str | None, typer.Option(help="Print the summary across the jobs of a suite.")] = None,
) -> None:  # fmt: skip
    """Print a job (experiment, versions, table, verdicts), a file's resolved experiment, or a suite's summary."""
    if (subject is None) == (suite is None):
        raise InputError("show: expected a job's number, a file, or --suite NAME")
    if suite is not None:
        from lth_core.cli.suite_result import show_suite

        show_suite(suite, workspace)
    elif subject is not None:
        from lth_core.cli.show import show as run

        run(subject, workspace)


@app.command()
def diff(a: Subject, b: Subject, workspace: Folder = WORKSPACE) -> None:
    """Print the fields in which two experiments differ. Exit code 0 if there are none, else 1."""
    from lth_core.cli.show import diff as run

    sys.exit(run(a, b, workspace))


@app.command()
def jobs(workspace: Folder = WORKSPACE) -> None:
    """List the workspace's jobs."""
    from lth_core.cli.show import jobs as run

    run(workspace)


Reported = Annotated[str, typer.Argument(help="A job's number, or a suite's name.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to.", show_default=False)]


@app.command()
def report(
    subject: Reported, workspace: Folder = WORKSPACE, out: Out = None,
    barriers: Annotated[
        bool, typer.Option("--barriers", help="Evaluate networks between successive rounds too (takes a while).")
    ] = False,
) -> None:  # fmt: skip
    """Write a job or suite as one HTML page with its figures (PDF, PNG, SVG) and tables."""
    from lth_core.cli.report import report as run

    run(subject, workspace, out, with_barriers=barriers)


@app.command()
def export(subject: Reported, workspace: Folder = WORKSPACE, out: Out = None) -> None:
    """Write a job's or suite's numbers as tables: CSV and JSON lines, Parquet with pyarrow."""
    from lth_core.cli.report import export as run

    run(subject, workspace, out)


@app.command()
def inspect(
    job: Annotated[int, typer.Argument(help="A job's number.")], workspace: Folder = WORKSPACE,
    barriers: Annotated[
        bool, typer.Option("--barriers", help="Evaluate networks between successive rounds (takes a while).")
    ] = False,
    instability: Annotated[
        bool, typer.Option("--instability", help="Train pairs that differ in noise alone, by rewind point (trainings).")
    ] = False,
    rewind: Annotated[str, typer.Option(help="Points for --instability, such as 0,3000.")] = "",
    rounds: Annotated[str, typer.Option(help="Rounds for --instability, 0 being dense, such as 0,5.")] = "",
    alphas: Annotated[int, typer.Option(min=3, max=1001, help="Networks on a line, for --instability.")] = 11,
    device: Annotated[str, typer.Option(help="Where to train and evaluate: cpu, cuda, ...")] = "cpu",
) -> None:  # fmt: skip
    """Print what a job's tickets are made of: overlap of masks, effective sparsity, signs, distances, barriers."""
    from lth_core.cli.inspect import run

    run(
        job, workspace, with_barriers=barriers, with_instability=instability, rewind=rewind, rounds=rounds,
        alphas=alphas, device=device,
    )  # fmt: skip


@app.command()
def play(
    job: Annotated[int, typer.Argument(help="A job's number.")],
    arm: Annotated[str, typer.Option(help="Arm, or `dense` for round 0.")] = "winning",
    round: Annotated[int, typer.Option(help="Round.")] = 1, seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    game: Annotated[int, typer.Option(help="Which game: its number is its seed.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="GIF to write, instead of the terminal.")] = None,
    workspace: Folder = WORKSPACE,
) -> None:  # fmt: skip
    """Show a trained ticket playing one game, in the terminal or as an animated GIF."""
    from lth_core.cli.play import run

    run(job, arm, round, seed, game, out, workspace)


ticket = typer.Typer(help="Tickets as files.", no_args_is_help=True)
app.add_typer(ticket, name="ticket")


@ticket.command("export")
def export_ticket(
    job: Annotated[int, typer.Argument(help="A job's number.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to, new or empty.")],
    arm: Annotated[str, typer.Option(help="Arm, or `dense` for round 0.")] = "winning",
    round: Annotated[int, typer.Option(help="Round.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="All rounds and seeds of the arm, a folder each.")] = False,
    transformers: Annotated[
        bool, typer.Option("--transformers", help="Also a folder that transformers' from_pretrained loads.")
    ] = False,
    workspace: Folder = WORKSPACE,
) -> None:
    """Write a ticket's mask and weights as safetensors, with a card that says how plain PyTorch loads them."""
    from lth_core.cli.ticket import export as run

    run(job, arm, round, seed, out, workspace, all_=all_, transformers=transformers)


@ticket.command("import")
def import_ticket(
    source: Annotated[
        Path, typer.Argument(help="A ticket's folder, one that from_pretrained loads, or a safetensors file.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write to, new or empty.")],
    experiment: Annotated[
        Path | None, typer.Option(help="Experiment whose network it is (not for a ticket's folder).")
    ] = None,
) -> None:
    """Check a ticket, or make one of another program's pruned network, for `ticket = "FOLDER"` in an experiment."""
    from lth_core.cli.ticket import import_ as run

    run(source, out, experiment)


@app.command()
def doctor(
    workspace: Folder = WORKSPACE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Make a lost database again; have damaged trials count as failed.")
    ] = False,
) -> None:
    """Look over a workspace and this machine. Exit codes: 0 nothing is wrong, 1 something is."""
    from lth_core.cli.doctor import doctor as run

    sys.exit(run(workspace, repair=repair))


@app.command()
def gc(
    workspace: Folder = WORKSPACE,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it only show what would be freed.")] = False,
    cancelled: Annotated[bool, typer.Option(help="Also the tensors of cancelled jobs.")] = False,
) -> None:
    """Show, or remove, what nothing needs any more: checkpoints and tensors that no trial goes on from or names."""
    from lth_core.cli.gc import gc as run

    run(workspace, yes=yes, cancelled=cancelled)


def _version(wanted: bool) -> None:
    if wanted:
        from lth_core import __version__

        typer.echo(f"lth {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point."""
    enter("lth", app)
