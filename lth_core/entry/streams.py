"""Standard streams that may be closed, full, unread, or unable to encode some characters."""

import codecs
import io
import locale
import os
import signal
import sys
import unicodedata
from typing import Any

_SAME_WIDTH = {
    **dict.fromkeys("─━═╌╍┄┅‐‑–—−", "-"), **dict.fromkeys("│┃║╎╏┆┇▏▎▍▌▐▕", "|"), **dict.fromkeys("•●○◉◆◇■□▪", "*"),
    **dict.fromkeys("▀▔", '"'), **dict.fromkeys("█▓▉▊▋▇▆▅", "#"), **dict.fromkeys("▒▄▃", "="),
    **dict.fromkeys("░▂▁", "."), **dict.fromkeys("…·⋯", "."), **dict.fromkeys("→▶▸❯›»", ">"),
    **dict.fromkeys("←◀◂❮‹«⏎↵", "<"),
    **dict.fromkeys("↑▲▴", "^"), **dict.fromkeys("↓▼▾", "v"), **dict.fromkeys("“”„", '"'), **dict.fromkeys("‘’‚", "'"),
    "✓": "+", "✔": "+", "✗": "x", "✘": "x", "×": "x", "±": "~", "≈": "~", "≤": "<", "≥": ">", "\xa0": " ",
}  # fmt: skip
"""What stands for a character that cannot be shown; any other is a question mark. As wide: tables stay aligned."""
_BRAILLE = range(0x2800, 0x2900)


class OutputLost(Exception):
    """Standard output takes nothing any more; `quiet` where nobody reads it, as after `| head`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}")
        self.quiet = isinstance(error, BrokenPipeError)
        self.code = 128 + signal.SIGPIPE if self.quiet else 2
        """The exit code that it stands for."""


class _Output(io.FileIO):
    """Tells once that what is written is lost, in words of its own; libraries take an OSError for their own affair."""

    lost = False

    def write(self, data: Any, /) -> int:
        """Raises OutputLost the first time that it fails; from then on nothing is written."""
        if self.lost:
            return len(memoryview(data).cast("B"))
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            raise OutputLost(error) from None


def settle() -> None:
    """Make the streams of this process usable, whatever they are. May start the program once more, in UTF-8 mode."""
    _open_what_is_closed()
    _in_utf8()
    codecs.register_error("lth.plain", plain)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        raw = io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False))
        interactive = sys.stdout.line_buffering
        sys.stdout = io.TextIOWrapper(raw, sys.stdout.encoding, "lth.plain", line_buffering=interactive)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="lth.plain")


def keep_output_apart() -> None:
    """From now on standard output is written to by us alone.

    What libraries write to the file itself (descriptor 1), in whichever thread, goes to standard error.
    """
    if not isinstance(sys.stdout, io.TextIOWrapper) or not isinstance(getattr(sys.stdout.buffer, "raw", None), _Output):
        return  # not the process's own
    sys.stdout.flush()
    raw = io.BufferedWriter(_Output(os.dup(sys.stdout.fileno()), "w"))
    sys.stdout = io.TextIOWrapper(raw, sys.stdout.encoding, "lth.plain", line_buffering=sys.stdout.line_buffering)
    os.dup2(2, 1)


def plain(error: UnicodeError) -> tuple[str, int]:
    """The handler of characters that an encoding lacks: one that looks like it, or a question mark a column."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_plain(char) for char in error.object[error.start : error.end]), error.end


def _plain(char: str) -> str:
    if ord(char) in _BRAILLE:
        return " .::+**##"[(ord(char) - _BRAILLE.start).bit_count()]
    if "\u2500" <= char <= "\u257f" and char not in _SAME_WIDTH:
        return "+"  # corners and crossings
    if unicodedata.combining(char):
        return ""
    return _SAME_WIDTH.get(char) or ("??" if unicodedata.east_asian_width(char) in "WF" else "?")


def _open_what_is_closed() -> None:
    """Else the next file that is opened, such as the database, would be taken for the stream by all that is started."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            stream = os.fdopen(number, mode, closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _in_utf8() -> None:
    """Names of files and our own files are in UTF-8 wherever we run; what the terminal shows is in its own encoding."""
    if sys.flags.utf8_mode or not sys.executable or codecs.lookup(locale.getencoding()).name == "utf-8":
        return
    shown = sys.stdout.encoding if sys.stdout is not None else "ascii"
    variables = {"PYTHONIOENCODING": shown, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], variables)  # noqa: S606
