"""The start of every command: Ctrl-C ends it silently from the first moment, before anything is imported."""

import signal


def lth() -> None:
    """`lth`."""
    _end_at_once_when_interrupted()
    from lth_core.cli import main

    main()


def lth_tui() -> None:
    """`lth-tui`."""
    _end_at_once_when_interrupted()
    from lth_tui.__main__ import main

    main()


def _end_at_once_when_interrupted() -> None:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not under nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
