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
"""Replacements for characters that cannot be shown, of the same width; any other becomes a question mark."""
_BRAILLE = range(0x2800, 0x2900)


class OutputLost(Exception):
    """Standard output cannot be written any more; quiet: because nobody reads it, as after `| head`."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}")
        self.quiet = isinstance(error, BrokenPipeError)
        self.code = 128 + signal.SIGPIPE if self.quiet else 2
        """The exit code."""


class _Output(io.FileIO):
    """Raises OutputLost once when writing fails, because libraries would handle an OSError as their own."""

    lost = False

    def write(self, data: Any, /) -> int:
        """Raises OutputLost at the first failure; after that nothing is written."""
        if self.lost:
            return len(memoryview(data).cast("B"))
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            raise OutputLost(error) from None


def settle() -> None:
    """Make the standard streams usable, whatever they are. May restart the program in UTF-8 mode."""
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
    """From now on only this program writes to standard output.

    What libraries write to descriptor 1, in any thread, goes to standard error.
    """
    if not isinstance(sys.stdout, io.TextIOWrapper) or not isinstance(getattr(sys.stdout.buffer, "raw", None), _Output):
        return  # not the process's own
    sys.stdout.flush()
    raw = io.BufferedWriter(_Output(os.dup(sys.stdout.fileno()), "w"))
    sys.stdout = io.TextIOWrapper(raw, sys.stdout.encoding, "lth.plain", line_buffering=sys.stdout.line_buffering)
    os.dup2(2, 1)


def plain(error: UnicodeError) -> tuple[str, int]:
    """Handles characters that an encoding lacks: a similar one, or a question mark for each column."""
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
    """Otherwise the next opened file, such as the database, would become a standard stream of started processes."""
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
    """File names and our own files are always in UTF-8; the terminal is written in its own encoding."""
    if sys.flags.utf8_mode or not sys.executable or codecs.lookup(locale.getencoding()).name == "utf-8":
        return
    shown = sys.stdout.encoding if sys.stdout is not None else "ascii"
    variables = {"PYTHONIOENCODING": shown, **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], variables)  # noqa: S606
