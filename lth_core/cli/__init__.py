"""`lth`: the command line. Each command imports what it needs when it runs, so that `lth --help` stays instant."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lth_core.cli.options import (
    WORKSPACE,
    Device,
    Files,
    Folder,
    Json,
    Kind,
    MaybeSubject,
    Set,
    Slots,
    Subject,
)
from lth_core.cli.queue_commands import queue
from lth_core.entry.command import enter
from lth_core.errors import InputError

app = typer.Typer(
    help="Run lottery-ticket experiments: train, prune, rewind, repeat, and compare with random tickets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def headless(
    files: Files, workspace: Folder = WORKSPACE, set_: Set = None, device: Device = "auto", slots: Slots = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON line per event.")] = False,
    again: Annotated[bool, typer.Option(help="Run experiments again that the workspace already has.")] = False,
    launcher: Kind = None,
) -> None:  # fmt: skip
    """Run experiments to the end without the workbench, and print their verdicts.

    Exit codes: 0 done, 1 a trial failed or a job was cancelled, 2 bad input, 130 interrupted (run again to continue).
    """
    from lth_core.cli.headless import on_launcher, run

    sys.exit(run(files, workspace, [*(set_ or []), *on_launcher(launcher)], device, slots, as_json=json, again=again))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Experiment or suite file, or a preset.", show_default=False)],
    set_: Set = None, device: Device = "auto", slots: Slots = None,
    measure: Annotated[bool, typer.Option(help="Measure the step rate to estimate the time.")] = True,
    json: Json = False,
) -> None:  # fmt: skip
    """Print the resolved experiment, its trials, and an estimate of time and disk space."""
    from lth_core.cli.check import check as run

    run(file, set_ or [], device, slots, measure=measure, as_json=json)


@app.command()
def presets(
    name: Annotated[
        str, typer.Argument(help="A name or a part of it: print all that is said of these.", show_default=False)
    ] = "",
    json: Json = False,
) -> None:
    """List the built-in experiments and suites. Commands accept their names in place of files."""
    from lth_core.cli.presets import run

    run(name, as_json=json)


@app.command()
def fields(json: Json = False) -> None:
    """Print every field of an experiment file with its accepted values and default."""
    from lth_core.cli.field_page import show as run

    run(as_json=json)


@app.command()
def show(
    subject: MaybeSubject = None, workspace: Folder = WORKSPACE,
    suite: Annotated[str | None, typer.Option(help="Print the summary of this suite's jobs.")] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Print a job (experiment, versions, table, verdicts), a file's resolved experiment, or a suite's summary."""
    if (subject is None) == (suite is None):
        raise InputError("show: expected a job's number or name, a suite's name, a file, or --suite NAME")
    if suite is not None:
        from lth_core.cli.suite_result import show_suite

        show_suite(suite, workspace, as_json=json)
    elif subject is not None:
        from lth_core.cli.show import show as run

        run(subject, workspace, as_json=json)


@app.command()
def diff(a: Subject, b: Subject, workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """Print the fields in which two experiments differ. Exit code 0 if none differ, else 1."""
    from lth_core.cli.show import diff as run

    sys.exit(run(a, b, workspace, as_json=json))


@app.command()
def jobs(workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """List the workspace's jobs."""
    from lth_core.cli.jobs import jobs as run

    run(workspace, as_json=json)


app.add_typer(queue)


Reported = Annotated[str, typer.Argument(help="A job's number or name, or a suite's name.", show_default=False)]
OneJob = Annotated[str, typer.Argument(help="A job's number or name.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write to.", show_default=False)]


@app.command()
def log(
    job: OneJob, workspace: Folder = WORKSPACE,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="The most lines of each log.")] = 200,
) -> None:  # fmt: skip
    """Print why trials of a job failed, with their workers' logs, and those of what runs or ran last."""
    from lth_core.cli.log import run

    run(job, workspace, lines)


@app.command()
def report(
    subject: Reported, workspace: Folder = WORKSPACE, out: Out = None,
    barriers: Annotated[
        bool, typer.Option("--barriers", help="Also evaluate networks on the line between successive rounds (slow).")
    ] = False,
    paper: Annotated[
        bool, typer.Option("--paper", help="Also write the figures as wide as one and two columns of a paper.")
    ] = False,
) -> None:  # fmt: skip
    """Write a report on a job or suite: one HTML page, figures (PDF, PNG, SVG) and tables."""
    from lth_core.cli.report import report as run

    run(subject, workspace, out, with_barriers=barriers, paper=paper)


@app.command()
def export(subject: Reported, workspace: Folder = WORKSPACE, out: Out = None) -> None:
    """Write the results of a job or suite as CSV and JSON lines, and as Parquet if pyarrow is installed."""
    from lth_core.cli.report import export as run

    run(subject, workspace, out)


@app.command()
def bundle(
    subject: Reported,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, new.", show_default=False)],
    weights: Annotated[bool, typer.Option("--weights", help="Include the trained weights.")] = False,
    workspace: Folder = WORKSPACE,
) -> None:  # fmt: skip
    """Write a finished job or suite as one file that others can check with `lth verify`."""
    from lth_core.cli.bundle import run

    run(subject, out, workspace, weights=weights)


@app.command()
def checklist(
    subject: Reported,
    workspace: Folder = WORKSPACE,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead.", show_default=False)] = None,
    latex: Annotated[bool, typer.Option("--latex", help="As LaTeX instead of Markdown.")] = False,
) -> None:  # fmt: skip
    """Print the facts about reproducibility that venues ask for; what is not recorded is said to be so."""
    from lth_core.cli.checklist import run

    run(subject, workspace, out, latex=latex)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A file that `lth bundle` wrote.", show_default=False)],
    trials: Annotated[int, typer.Option(min=0, help="Draw so many trials and train them again.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw; by default another each time.")] = None,
    device: Annotated[str, typer.Option(help="Where to train: cpu, cuda, ...")] = "cpu",
    run_code: Annotated[bool, typer.Option("--run-code", help="Run code that the task names.")] = False,
    json: Json = False,
) -> None:  # fmt: skip
    """Check a bundle: do tables and answers follow from its records, and tickets from masks and seeds?

    Exit codes: 0 it holds, 1 a part does not, 2 the file is no bundle or is refused.
    """
    from lth_core.cli.verify import run

    sys.exit(run(file, trials, seed, device, run_code=run_code, as_json=json))


@app.command()
def inspect(
    job: OneJob, workspace: Folder = WORKSPACE,
    barriers: Annotated[
        bool, typer.Option("--barriers", help="Evaluate networks on the line between successive rounds (slow).")
    ] = False,
    instability: Annotated[
        bool, typer.Option("--instability", help="Train pairs that differ only in noise, for each rewind point (slow).")
    ] = False,
    churn: Annotated[
        bool, typer.Option("--churn", help="How far each change moved the masks of set and rigl, layer by layer.")
    ] = False,
    rewind: Annotated[str, typer.Option(help="Rewind points for --instability, e.g. 0,3000.")] = "",
    rounds: Annotated[str, typer.Option(help="Rounds for --instability, e.g. 0,5; 0 is the dense network.")] = "",
    alphas: Annotated[int, typer.Option(min=3, max=1001, help="Networks on a line, for --instability.")] = 11,
    device: Annotated[str, typer.Option(help="Where to train and evaluate: cpu, cuda, ...")] = "cpu",
    json: Json = False,
) -> None:  # fmt: skip
    """Print an analysis of a job's tickets: mask overlap, effective sparsity, signs, distances, barriers."""
    from lth_core.cli.inspect import run

    run(
        job, workspace, with_barriers=barriers, with_instability=instability, with_churn=churn, rewind=rewind,
        rounds=rounds, alphas=alphas, device=device, as_json=json,
    )  # fmt: skip


@app.command()
def play(
    job: OneJob,
    arm: Annotated[str, typer.Option(help="Arm, or `dense` for round 0.")] = "winning",
    round: Annotated[int, typer.Option(help="Round.")] = 1, seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    game: Annotated[int, typer.Option(help="The game's number, which is its seed.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a GIF instead of playing here.")] = None,
    workspace: Folder = WORKSPACE,
) -> None:  # fmt: skip
    """Show a trained ticket playing one game, in the terminal or as an animated GIF."""
    from lth_core.cli.play import run

    run(job, arm, round, seed, game, out, workspace)


claims = typer.Typer(help="List the paper's claims, and what the workspace's jobs say of each.")
app.add_typer(claims, name="claims", invoke_without_command=True)


@claims.callback()
def list_claims(context: typer.Context, workspace: Folder = WORKSPACE, json: Json = False) -> None:
    """List the paper's claims, and what the workspace's jobs say of each."""
    if context.invoked_subcommand is None:
        from lth_core.cli.claims import run

        run(workspace, as_json=json)


@claims.command("store")
def store_claims(
    folder: Annotated[Path, typer.Argument(help="Folder of the stored results, such as docs/claims.")],
    workspace: Folder = WORKSPACE,
) -> None:
    """Write tables, cards, figures and answers of finished jobs into a folder, and the page FOLDER.md beside it."""
    from lth_core.cli.claims import store as run

    run(folder, workspace)


@claims.command("check")
def check_claims(
    folder: Annotated[Path, typer.Argument(help="Folder of the stored results, such as docs/claims.")],
    job: Annotated[list[str] | None, typer.Option(help="A stored job's name; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All stored jobs: needs texts, extras and time.")] = False,
    workspace: Folder = Path("claims-check"), set_: Set = None, device: Device = "auto", slots: Slots = None,
) -> None:  # fmt: skip
    """Train the first round of one seed of a few stored jobs again, and compare: about five minutes on two cores. Exit
    codes: 0 alike, 1 not."""
    from lth_core.cli.claims import check as run

    sys.exit(run(folder, workspace, job or [], set_ or [], device, slots, everything=everything))


ticket = typer.Typer(help="Export and import tickets as files.", no_args_is_help=True)
app.add_typer(ticket, name="ticket")


@ticket.command("export")
def export_ticket(
    job: OneJob,
    out: Annotated[Path, typer.Argument(help="Folder to write to, new or empty.")],
    arm: Annotated[str, typer.Option(help="Arm, or `dense` for round 0.")] = "winning",
    round: Annotated[int, typer.Option(help="Round.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="All rounds and seeds of the arm, one folder each.")] = False,
    transformers: Annotated[
        bool, typer.Option("--transformers", help="Also write a folder for transformers' from_pretrained.")
    ] = False,
    workspace: Folder = WORKSPACE,
) -> None:
    """Write a ticket's mask and weights as safetensors, with a card that shows how to load them in plain PyTorch."""
    from lth_core.cli.ticket import export as run

    run(job, arm, round, seed, out, workspace, all_=all_, transformers=transformers)


@ticket.command("import")
def import_ticket(
    source: Annotated[Path, typer.Argument(help="A ticket's folder, a from_pretrained folder, or a safetensors file.")],
    out: Annotated[Path, typer.Argument(help="Folder to write to, new or empty.")],
    experiment: Annotated[
        Path | None, typer.Option(help="The experiment whose network it is (not needed for a ticket's folder).")
    ] = None,
) -> None:
    """Check a ticket, or turn another program's pruned network into one, for `ticket = "FOLDER"` in an experiment."""
    from lth_core.cli.ticket import import_ as run

    run(source, out, experiment)


@app.command()
def doctor(
    workspace: Folder = WORKSPACE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild a lost database; mark damaged trials as failed.")
    ] = False,
    rescore: Annotated[
        int, typer.Option("--rescore", min=0, help="Evaluate so many stored tickets again and compare the scores.")
    ] = 0,
    json: Json = False,
) -> None:
    """Check a workspace and this machine for problems. Exit codes: 0 no problems, 1 problems found."""
    from lth_core.cli.doctor import doctor as run

    sys.exit(run(workspace, repair=repair, rescored=rescore, as_json=json))


@app.command()
def gc(
    workspace: Folder = WORKSPACE,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the files; without it, only list them.")] = False,
    cancelled: Annotated[bool, typer.Option(help="Also remove the tensors of cancelled jobs.")] = False,
) -> None:
    """List or remove files that are no longer needed: checkpoints and tensors that no trial uses."""
    from lth_core.cli.gc import gc as run

    run(workspace, yes=yes, cancelled=cancelled)


def _version(wanted: bool) -> None:
    if wanted:
        from lth_core.batches.provenance import version_in_words

        typer.echo(f"lth {version_in_words()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print version and revision.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point."""
    enter("lth", app)
