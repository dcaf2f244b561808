"""`lth claims`: the claims of the paper, and what a workspace says of them."""

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from lth_core.claims.answer import Answered, answered
from lth_core.claims.claim import claims
from lth_core.cli.console import make_console
from lth_core.cli.shapes import ClaimAnswer, Claims, ClaimTest, print_json
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
        if one.state in ("not run", "running"):
            done, of = one.done
            lines.append(f"  {f'{done:,} of {of:,} trials; ' if of else ''}lth headless {one.claim.file}")
        table.add_row(str(one.claim.number), one.state, Text("\n".join(lines)))
    make_console().print(table)


def store(folder: Path, workspace: Path) -> None:
    """Write what the workspace knows of the claims into a folder, and the page beside it, and print where."""
    from lth_core.claims.page import page
    from lth_core.claims.stored import store as write

    database = Database(Workspace(workspace).database, writer=False)
    stored = write(database, folder)
    beside = folder.with_suffix(".md")
    write_atomically(beside, page(stored, folder.name).encode())
    said = f"{plural(len(stored.claims), 'claim')} and {plural(len(stored.jobs), 'job')} in {folder}; {beside}"
    make_console().print(one_line(said), markup=False, highlight=False, soft_wrap=True)


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
        claim=one.claim.number, says=one.claim.says, file=one.claim.file, state=one.state, trials=of, trials_done=done,
        tests=tests,
    )  # fmt: skip
