"""What commands do with the streams that they are given: closed, full, unread, or without some characters."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lth_core.entry.streams import plain

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parent.parent
_BARE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
_LTH, _TUI = f"'{sys.executable}' -m lth_core.cli", f"'{sys.executable}' -m lth_tui"


def run(line: str, folder: Path, **variables: str) -> "subprocess.CompletedProcess[bytes]":
    kept = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], cwd=folder, env=kept, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{_LTH} check suites/classic-quick --no-measure | head -1", 141, ""),
        (f"{_LTH} fields >/dev/full", 2, "lth: standard output: No space left on device"),
        (f"{_TUI} --keys >/dev/full", 2, "lth-tui: standard output: No space left on device"),
        (f"{_LTH} check absent.toml 2>/dev/full", 2, ""),
        (f"{_LTH} jobs <&- >&- 2>&-", 2, ""),
        (f"{_LTH} presets >&-", 0, ""),
    ],
)
def test_output_that_goes_nowhere_is_told_in_a_sentence_or_not_at_all(
    line: str, code: int, said: str, tmp_path: Path
) -> None:
    done = run(line, tmp_path)
    assert (done.returncode, done.stderr.decode().strip()) == (code, said)


@pytest.mark.parametrize(
    ("variables", "name"), [(_BARE, "f?r.toml"), ({"PYTHONIOENCODING": "latin-1", "LC_ALL": "C.UTF-8"}, "f\xfcr.toml")]
)
def test_characters_that_a_terminal_lacks_are_shown_as_plain_ones(
    variables: dict[str, str], name: str, tmp_path: Path
) -> None:
    (tmp_path / "für.toml").write_text("seeds = 0")
    done = run(f"{_LTH} check für.toml; {_LTH} doctor -w nöt", tmp_path, **variables)
    said = done.stderr.decode("latin-1")
    assert done.returncode == 0 and "Traceback" not in said
    assert f"lth: {name}: the file's name is not a valid experiment name" in said
    assert done.stdout.startswith(b"+ versions")


def test_a_plain_character_is_as_wide_as_what_it_stands_for() -> None:
    text = "✓✗│─┼▄⠀⣿…ü漢"
    error = UnicodeEncodeError("ascii", text, 0, len(text), "not in range")
    assert plain(error) == ("+x|-+= #.???", len(text))


def test_three_interrupts_in_a_burst_are_one(tmp_path: Path) -> None:
    act = (
        "import os, signal, time\nfrom lth_core.entry.command import Interrupted, enter\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits that it is ignored
        "def act():\n try:\n  os.kill(os.getpid(), signal.SIGINT)\n  time.sleep(60)\n"
        " finally:\n  for _ in range(2): os.kill(os.getpid(), signal.SIGINT)\n  print('orderly')\n"
        "enter('lth', act)"
    )
    done = run(f"'{sys.executable}' -c \"{act}\"", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"orderly\n", b"")


@pytest.mark.parametrize("fault", ["OSError(24, 'Too many open files')", "RuntimeError('cannot start new thread')"])
def test_a_machine_that_gives_no_more_is_told_in_a_sentence(fault: str, tmp_path: Path) -> None:
    fault = fault.replace("cannot", "can\\'t")
    act = f"from lth_core.entry.command import enter\ndef act(): raise {fault}\nenter('lth', act)"
    done = run(f'"{sys.executable}" -c "{act}"', tmp_path)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.startswith(b"lth: this machine's open files, processes or memory have run out: ")
