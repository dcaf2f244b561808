"""`lth-tui [WORKSPACE]`: the terminal workbench."""

import argparse
import gc
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lth_core.batches.provenance import version_in_words
from lth_core.entry.command import enter


def main() -> None:
    """Entry point."""
    enter("lth-tui", _main)


def _main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and run the app; the engine outlives it."""
    options = _parser().parse_args(arguments)
    options.workspace = options.named or options.workspace
    if options.version:
        print(f"lth-tui {version_in_words()}")
        return
    if options.keys:
        sys.exit(_list_keys())
    if options.serve is not None:
        sys.exit(_serve(options.workspace, options.serve))
    in_browser = os.environ.get("TEXTUAL_DRIVER", "").endswith("WebDriver")
    drawable = sys.__stderr__ is not None and sys.__stderr__.isatty()
    if not drawable and not in_browser:
        print(
            "lth-tui: standard error is not a terminal, and the workbench draws there (under Slurm: srun --pty)",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(_run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lth-tui", description="The terminal workbench.")
    parser.add_argument("workspace", nargs="?", type=Path, default=Path("workspace"), metavar="WORKSPACE",
                        help="the workspace folder, created if missing (default: ./workspace)")  # fmt: skip
    parser.add_argument("-w", "--workspace", dest="named", type=Path, metavar="WORKSPACE", help="the same, as for lth")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:0 ... (default: auto)")
    parser.add_argument("--slots", type=_positive, metavar="N", help="number of parallel workers")
    parser.add_argument(
        "--view", action="store_true", help="start no engine: only show jobs, and send commands to one that runs"
    )
    parser.add_argument("--read-only", action="store_true", help="like --view, but change nothing")
    parser.add_argument("--serve", nargs="?", const=8000, type=_port, metavar="PORT",
                        help="show it read-only in browsers on this machine (default port: 8000)")  # fmt: skip
    parser.add_argument("--keys", action="store_true", help="list the names of all key bindings, for the settings file")
    parser.add_argument("--version", action="store_true", help="print version and revision")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 to 1024")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port from 1 to 65535")
    return int(text)


def _list_keys() -> int:
    from lth_core.places import settings_file
    from lth_tui.keys import binding_ids

    print(f'# {settings_file()}, table [keys]: a name and its keys, such as "queue.new" = "n,insert"')
    for name, words in sorted(binding_ids().items()):
        print(f"{name:<40} {words}")
    return 0


def _serve(folder: Path, port: int) -> int:
    """Serve the workbench to a browser on this machine; every visit runs a read-only process."""
    from importlib.util import find_spec

    if find_spec("textual_serve") is None:
        print("lth-tui: --serve needs textual-serve: pip install 'lth-workbench[web]'", file=sys.stderr)
        return 2
    from textual_serve.server import Server

    from lth_core.batches.processes import command

    visit = shlex.join(command("lth_tui", str(folder.resolve()), "--read-only"))
    Server(visit, host="127.0.0.1", port=port, title="lth-tui").serve()
    return 0


def _run(options: argparse.Namespace) -> int:
    # Over a slow connection every animated frame is traffic.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    os.environ.setdefault("TEXTUAL_FPS", "120")  # what a key changes is often in two frames
    sys.setswitchinterval(0.001)  # keys wait less for the feed's thread

    from lth_core.engine.slots import find_slots
    from lth_core.errors import InputError
    from lth_tui.opening import workbench

    try:
        if options.device != "auto":  # otherwise nothing can be wrong, and asking the driver takes a second
            find_slots(options.device)
        app = workbench(
            options.workspace, view=options.view, device=options.device, slots=options.slots,
            read_only=options.read_only,
        )  # fmt: skip
    except InputError as error:
        print(f"lth-tui: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lth-tui: {options.workspace}: {error.strerror}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, lambda *_: None)  # a key, while the screen is there; the end is not cut short
    gc.collect()
    gc.freeze()  # what is imported stays: looking through it again and again would hold keys up
    try:
        code = app.run()
    finally:
        if app.owner is not None:
            app.owner.leave()
    app.finish()
    code = code or app.return_code or 0
    if code <= 128:  # else a terminal that is gone could hold it up
        sys.stdout.flush()
        sys.stderr.flush()
    # Python's orderly end aborts if a thread is still in compiled code.
    os._exit(code)


if __name__ == "__main__":
    main()
