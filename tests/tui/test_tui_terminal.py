"""The real thing under a pseudo-terminal: first paint, quit, hang-up, termination, colours, bytes."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from pseudo_terminal import Terminal
from test_tui_hostile import poison
from workspace_fixture import Writer

pytestmark = pytest.mark.processes


def test_first_paint_and_quit(writer: Writer) -> None:
    terminal = Terminal(str(writer.workspace.folder))
    terminal.until(lambda text: "quit" in text)
    times = psutil.Process(terminal.process.pid).cpu_times()
    assert times.user + times.system < 2.0  # CPU seconds; a budget of 1, with slack for a slow machine
    terminal.until(lambda text: "cartpole-done" in text and "running" in text)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    assert b"\x1b[?1049l" in terminal.bytes  # the terminal is given back


BUSY = """
import threading, time
from pydantic import BaseModel, field_validator
class Model(BaseModel):
    value: int
    @field_validator("value")
    @classmethod
    def slow(cls, value): time.sleep(0.001); return value
def validate():
    while True: Model(value=1)
for _ in range(4): threading.Thread(target=validate, daemon=True).start()
"""


def test_quitting_while_a_thread_is_in_compiled_code(writer: Writer) -> None:
    terminal = Terminal(str(writer.workspace.folder), before=BUSY)
    terminal.until(lambda text: "quit" in text)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_signals_end_it_in_order(writer: Writer, number: signal.Signals) -> None:
    terminal = Terminal(str(writer.workspace.folder))
    terminal.until(lambda text: "cartpole-done" in text)
    if number == signal.SIGHUP:
        os.close(terminal.master)
        terminal.process.send_signal(number)
        assert terminal.process.wait(5) == 128 + number
    else:
        terminal.process.send_signal(number)
        assert terminal.end() == 128 + number
        assert b"\x1b[?1049l" in terminal.bytes


def test_a_terminal_that_is_gone_without_a_word_ends_it(writer: Writer) -> None:
    terminal = Terminal(str(writer.workspace.folder))
    terminal.until(lambda text: "quit" in text)
    os.close(terminal.master)
    assert terminal.process.wait(10) == 128 + signal.SIGHUP


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"TERM": "linux"}, {"TERM": "xterm", "COLORTERM": "truecolor"}]
)
def test_colours_of_all_kinds(writer: Writer, environment: dict[str, str]) -> None:
    terminal = Terminal(str(writer.workspace.folder), 120, 40, **environment)
    terminal.until(lambda text: "cartpole-done" in text)
    os.write(terminal.master, b"j\r")
    terminal.until(lambda text: "[1 curves]" in text and "return/train" in text and "policy_head" in text)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0


def test_hostile_words_send_no_sequences(writer: Writer) -> None:
    poison(writer)
    terminal = Terminal(str(writer.workspace.folder), 120, 40)
    terminal.until(lambda text: "cartpole-done" in text)
    os.write(terminal.master, b"j\r")
    terminal.until(lambda text: "[1 curves]" in text)
    for number, view in ((3, "layers"), (4, "audit"), (5, "log"), (6, "events")):
        os.write(terminal.master, str(number).encode())
        terminal.until(lambda text, tab=f"[{number} {view}]": tab in text)
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    for forbidden in (b"\x1b]52;", b"\x1b]0;title", b"aGk=", "\u202e".encode(), b"\x9b31m"):
        assert forbidden not in terminal.bytes
    assert b"[red]x[/red]" in terminal.bytes


def test_no_terminal_is_said(writer: Writer) -> None:
    command = [sys.executable, "-m", "lth_tui", str(writer.workspace.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and "not a terminal" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_device_that_is_not_there_is_refused(writer: Writer) -> None:
    terminal = Terminal(str(writer.workspace.folder), before="import sys; sys.argv += ['--device', 'gpu9']")
    assert terminal.end(20) == 2
    assert b"lth-tui: device gpu9: expected auto" in terminal.bytes and b"\x1b[?1049h" not in terminal.bytes


def test_version() -> None:
    done = subprocess.run([sys.executable, "-m", "lth_tui", "--version"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("lth-tui ")
