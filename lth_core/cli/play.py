"""`lth play`: a ticket playing a game, in the terminal or as a GIF."""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from lth_core import places
from lth_core.batches.processes import run_apart
from lth_core.cli.console import make_console
from lth_core.cli.subject import find_job
from lth_core.engine.stored import stored_spec
from lth_core.entry.command import Interrupted
from lth_core.errors import InputError
from lth_core.experiment.plan import TrialKey
from lth_core.report.film import Frames, as_blocks, as_gif
from lth_core.store.tensors import write_atomically
from lth_core.text import one_line

MOST_STEPS = 2_000


def run(subject: str, arm: str, round: int, seed: int, game: int, out: Path | None, folder: Path) -> None:
    """Play one game. Raises InputError if it cannot be drawn or shown."""
    if out is not None and out.suffix != ".gif":
        raise InputError(f"{one_line(out)}: expected a file name that ends in .gif")
    workspace, database, job = find_job(folder, subject)
    number = job.id
    key = TrialKey(round, arm, seed)
    spec = stored_spec(database, number, job.experiment, [key]).to_json()
    if out is None and not sys.stdout.isatty():
        raise InputError("play: standard output is not a terminal: write a file with --out GAME.gif")
    if out is None and os.environ.get("TERM", "dumb") in ("", "dumb"):
        raise InputError("play: this terminal cannot draw (TERM is unset or dumb): write a file with --out GAME.gif")
    with tempfile.TemporaryDirectory(dir=places.temporary(workspace.folder)) as temporary:
        file = Path(temporary) / "frames.safetensors"
        answer = run_apart(
            "lth_core.worker.play", str(workspace.folder), str(file), spec=spec, game=game, most=MOST_STEPS
        )  # fmt: skip
        from safetensors.numpy import load_file

        frames = load_file(file)["frames"]
    if out is not None:
        try:
            write_atomically(out, as_gif(frames, answer["rate"]))
        except OSError as error:
            raise InputError(f"{one_line(out)}: cannot be written: {error.strerror}") from None
    else:
        _show(frames, answer["rate"])
    said = f"{key}: return {answer['return']:.5g} in {answer['steps']} steps, greedy actions"
    make_console().print(one_line(f"{out}: {said}" if out else said), markup=False, highlight=False, soft_wrap=True)


def _show(frames: Frames, rate: float) -> None:
    """Draw in place and in real time, skipping late frames. Ctrl-C ends it."""
    size = shutil.get_terminal_size()
    start = time.monotonic()
    sys.stdout.write("\x1b[?25l\x1b[2J")
    try:
        while (now := int((time.monotonic() - start) * rate)) < len(frames):
            sys.stdout.write("\x1b[H" + as_blocks(frames[now], size.columns, size.lines - 2) + "\n")
            sys.stdout.flush()
            time.sleep(1 / min(rate, 20))
    except Interrupted:
        pass
    finally:
        sys.stdout.write("\x1b[0m\x1b[?25h\n")
