"""A workspace for pictures: a finished job, a failed one, one that trains, a waiting suite. It takes minutes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from lth_core.errors import InputError
from lth_core.experiment.suite import Suite, load
from lth_core.store.commands import Submit
from lth_tui.app import Workbench
from lth_tui.opening import workbench
from lth_tui.reading.feed import LabelledCommand

PATIENCE = 1200.0
"""Seconds for one job to get where it is wanted."""
_ROUND = 6
"""Of the job that trains when the pictures are taken."""


@asynccontextmanager
async def demonstrated(folder: Path) -> AsyncIterator[tuple[Workbench, Pilot[int]]]:
    """A workbench on a new workspace, once its jobs are far enough; its engine ends with it."""
    app = workbench(folder, view=False, device="cpu")
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            _submit(app, "quick/cartpole.toml")
            await _until_state(app, 1, "done")
            _submit(app, "quick/cartpole.toml", "name=cartpole-nan", "seeds=2", "training.learning_rate=1e30")
            await _until_state(app, 2, "failed")
            _submit(app, "quick/cartpole.toml", "name=cartpole-3x48", "model.hidden=[48, 48, 48]",
                    "training.learning_rate=2e-3")  # fmt: skip
            _submit(app, "suites/classic-quick.toml")
            await _until_round(app, 3)
            yield app, pilot
    finally:
        if app.owner is not None:
            app.owner.stop()


def _submit(app: Workbench, name: str, *overrides: str) -> None:
    held = load(Path(name), overrides)
    suite = held.name if isinstance(held, Suite) else None
    for experiment in held.experiments if isinstance(held, Suite) else (held,):
        command = Submit(experiment=experiment.canonical(), source=f"configs/{name}", suite=suite)
        app.ask(LabelledCommand(command, experiment.name))


async def _until_state(app: Workbench, number: int, state: str) -> None:
    for _ in range(int(PATIENCE * 2)):
        found = [job for job in app.snapshot.jobs if job.id == number]
        if found and found[0].state == state:
            return
        await asyncio.sleep(0.5)
    raise InputError(f"job {number} was not {state} within {PATIENCE:.0f} seconds")


async def _until_round(app: Workbench, number: int) -> None:
    for _ in range(int(PATIENCE * 5)):
        found = [job for job in app.snapshot.jobs if job.id == number]
        running = [slot for slot in app.snapshot.slots if slot.job == number and slot.fraction > 0.6]
        if found and found[0].round >= _ROUND and running:
            return
        await asyncio.sleep(0.2)
    raise InputError(f"job {number} did not reach round {_ROUND} within {PATIENCE:.0f} seconds")
