"""`lth-tui [WORKSPACE]`: the terminal workbench."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lth_core import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run the app, stop the engine, exit."""
    options = _parser().parse_args(arguments)
    if sys.__stderr__ is None or not sys.__stderr__.isatty():
        print(
            "lth-tui: draws on standard error, which is no terminal (under Slurm: srun --pty)",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(_run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lth-tui", description="The terminal workbench.")
    parser.add_argument("workspace", nargs="?", type=Path, default=Path("workspace"), metavar="WORKSPACE",
                        help="folder of the workspace, made if missing (default: ./workspace)")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:0 ... (default: auto)")
    parser.add_argument("--slots", type=_positive, metavar="N", help="how many workers run at once")
    parser.add_argument("--view", action="store_true", help="only view: never own the engine")
    parser.add_argument("--version", action="version", version=f"lth-tui {__version__}")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r}: accepted is a number from 1 to 4096")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    # Over a slow line every animated frame is traffic.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    sys.setswitchinterval(0.001)  # keys wait less for the feed's thread

    from lth_core.errors import InputError
    from lth_tui.app import workbench

    try:
        app = workbench(options.workspace, view=options.view, device=options.device, slots=options.slots)
    except InputError as error:
        print(f"lth-tui: {error}", file=sys.stderr)
        return 2
    try:
        code = app.run()
    finally:
        if app.owner is not None:
            app.owner.stop()
    return code or app.return_code or 0


if __name__ == "__main__":
    main()
