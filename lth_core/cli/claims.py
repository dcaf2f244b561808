"""`lth claims`: the claims of the paper, and what a workspace says of them."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from lth_core.claims.again import Again, RanWith, changed, compared, odd_jobs, presets_of, ran_with
from lth_core.claims.answer import Answered, answered
from lth_core.claims.claim import STORED, claims, command, experiments, quick_jobs
from lth_core.claims.table import scores
from lth_core.cli.console import make_console
from lth_core.cli.follower import Follower
from lth_core.cli.headless import Wanted, checked, progress_on, train
from lth_core.cli.shape_parts import ClaimAnswer, ClaimTest
from lth_core.cli.shapes import Claims, print_json
from lth_core.entry.command import INTERRUPTED
from lth_core.errors import InputError
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.tensors import write_atomically
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural


def run(workspace: Path, *, as_json: bool = False) -> None:
    """Print each claim with its state here, the test behind it, and the command that runs it."""
    database = Database(Workspace(workspace).database, writer=False)
    found = [answered(database, claim) for claim in claims()]
    if as_json:
        print_json(Claims(claims=[_shape(one) for one in found]))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("claim", "state", "what it says, and what was found"):
        table.add_column(heading, no_wrap=heading != "what it says, and what was found")
    for one in found:
        lines = [one.claim.says, *(f"- {tested.text}" for tested in one.tested)]
        if one.left:
            done, of = one.done
            ran = f"{done:,} of {of:,} trials so far; " if of else ""
            lines.append(f"  {ran}{'; '.join(map(command, one.left))}")
        table.add_row(str(one.claim.number), one.state, Text("\n".join(lines)))
    make_console().print(table)


def store(folder: Path, workspace: Path) -> None:
    """Write what the workspace knows of the claims into a folder, and the page beside it, and print where."""
    from lth_core.claims.page import page
    from lth_core.claims.stored import store as write

    database = Database(Workspace(workspace).database, writer=False)
    stored = write(database, folder)
    named = folder if folder.name not in ("", "..") else folder.resolve()
    beside = named.with_name(f"{named.name}.md")
    write_atomically(beside, page(stored, folder.name).encode())
    said = f"{plural(len(stored.claims), 'claim')} and {plural(len(stored.jobs), 'job')} in {folder}; {beside}"
    make_console().print(one_line(said), markup=False, highlight=False, soft_wrap=True)


def check(
    folder: Path, workspace: Path, only: list[str], overrides: list[str], device: str, slots: int | None,
    *, everything: bool = False,
) -> int:  # fmt: skip
    """Train the first round of the first seed of a few stored jobs again, of those in `only`, or of `everything`, and
    compare with what is stored.

    Returns the exit code: 1 if a score lies far from those of the stored seeds or is missing, if its bits are others
    although packages, processor and threads are the same, if a job's preset is no longer what was stored, if a job
    cannot run here, or if nothing was compared; that of `headless.run` if it is interrupted. Raises InputError if none
    can run here.
    """
    from lth_core.claims.stored import read

    stored = {job.name: job for job in read(folder).jobs}
    names = _asked(list(stored), only, folder, everything=everything)
    stale = changed(folder, names)
    known = set(names) - set(stale)
    for name in known:
        scores(folder / name / "trials.csv")  # what cannot be read is said before anything is trained
    wanted, left_out = _runnable(known, overrides, Workspace(workspace))
    Workspace(workspace).create()
    database = Database(Workspace(workspace).database, writer=True)
    progress = progress_on(make_console())
    found = train(Follower(Workspace(workspace), database, device, slots, progress), wanted, progress)
    if found is None:
        return INTERRUPTED
    ended = [view for number in found[0] if (view := views.job(database, number)) is not None]
    rows = [row for job in ended for row in compared(folder, job.name, views.trials(database, job.id))]
    versions = {job.name: ran_with(database, stored[job.name], job) for job in ended}
    odd = odd_jobs(rows, versions)
    equal = sum(row.same == "equal to the last bit" for row in rows)
    counted = f"{equal} of {plural(len(rows), 'score')} equal to the last bit" if rows else "nothing was compared"
    _print(rows, [*_stale(stale), *left_out, *_said(versions.values(), odd), counted])
    return exit_code(rows, [*stale, *left_out, *odd])


def _runnable(jobs: Collection[str], overrides: list[str], workspace: Workspace) -> tuple[list[Wanted], list[str]]:
    """The experiments to train, and why others cannot run here: a sentence for each preset. Raises InputError with the
    first reason if none can."""
    wanted: list[Wanted] = []
    left_out: list[str] = []
    for file, seed in presets_of(jobs):
        try:
            found = checked([Path(file)], [f"seeds=[{seed}]", "pruning.rounds=1", *overrides], workspace)
        except InputError as error:
            names = ", ".join(one.name for one in experiments(file) if one.name in jobs)
            left_out.append(f"{names}: not compared: {error}")
        else:
            wanted += [one for one in found if one[0].name in jobs]
    if left_out and not wanted:
        raise InputError(left_out[0])
    return wanted, left_out


def exit_code(rows: list[Again], wrong: list[str]) -> int:
    """0 where something was compared, no job is wrong, and every score is there and near the stored ones; else 1."""
    return int(not rows or bool(wrong) or any(row.same in ("far from the stored seeds", "no score") for row in rows))


def _stale(jobs: list[str]) -> list[str]:
    return [f"{job}: its preset is no longer the experiment that was stored, so it is not compared" for job in jobs]


def _said(versions: Iterable[RanWith], odd: list[str]) -> Iterator[str]:
    """What differs between then and now, and of which jobs bits should not differ: jobs that agree, in one sentence."""
    groups: dict[str, list[str]] = {}
    for one in versions:
        parts = [
            f"{where} {', '.join(facts)}" for where, facts in (("stored with", one.stored), ("here", one.here)) if facts
        ]
        said = "packages, processor and threads as stored"
        if not one.same:
            said = f"{'; '.join(parts)}: the last bits may differ"
        elif one.job in odd and one.revision:
            said += ", yet other bits: this program gives other results now, or the table was changed"
        elif one.job in odd:
            said += ", yet other bits: the table was changed, or a computation went wrong"
        groups.setdefault(said, []).append(one.job)
    return (f"{', '.join(jobs)}: {said}" for said, jobs in groups.items())


def _asked(stored: list[str], only: list[str], folder: Path, *, everything: bool = False) -> list[str]:
    """Those jobs of a folder that are asked for; where none is named, the quick ones."""
    for name in only:
        if name not in stored:
            known = ", ".join(map(one_line, stored))
            raise InputError(f"--job {one_line(name)}: expected a job of {one_line(folder)}: {known or 'it has none'}")
    if not stored:
        raise InputError(f"{one_line(folder)}: no job is stored there: {STORED}")
    quick = [name for name in stored if everything or name in quick_jobs()]
    if not only and not quick:
        none = f"{one_line(folder)}: has none of {', '.join(quick_jobs())}"
        raise InputError(f"{none}: name its jobs by --job, or say --all")
    return list(dict.fromkeys(only)) or quick


def _print(rows: list[Again], notes: list[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("job", "arm", "round", "seed", "stored", "here", ""):
        table.add_column(heading)
    for row in rows:
        arm, round, seed = row.key
        here = "-" if row.here is None else f"{row.here:.8g}"
        table.add_row(one_line(row.job), arm, str(round), str(seed), f"{row.stored:.8g}", here, row.same)
    console = make_console()
    console.print(table)
    for line in notes:
        console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)


def _shape(one: Answered) -> ClaimAnswer:
    done, of = one.done
    tests = [
        ClaimTest(
            says=t.test.says, job=t.test.job, state=t.state, expected=t.test.expected,
            difference=None if t.found is None else t.found.value, p=None if t.found is None else t.p,
            density=None if t.found is None else t.found.density,
        )
        for t in one.tested
    ]  # fmt: skip
    return ClaimAnswer(
        claim=one.claim.number, says=one.claim.says, files=one.claim.files, state=one.state, trials=of,
        trials_done=done, tests=tests,
    )  # fmt: skip
