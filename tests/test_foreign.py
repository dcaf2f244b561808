"""What environments of other packages do to the process stays without effect on ours."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from lth_core.errors import InputError
from lth_core.foreign import contained
from lth_core.settings.control import ControlTask
from lth_core.tasks import control
from lth_core.tasks.families import family_of
from tests.tasks.odd_environments import Walk

LITTERING = """
import os, signal, sys, warnings, json
from lth_core.foreign import contained
with contained():
    print("through Python")
    os.write(1, b"through the file\\n")
    os.system("echo through a child")
    os.chdir("/")
    os.environ["LITTER"] = "1"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("error")
print(json.dumps([os.getcwd(), "LITTER" in os.environ, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL]))
warnings.warn("still only shown")
"""


@pytest.mark.processes
def test_what_an_environment_does_to_the_process_is_undone(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LITTERING], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert done.stdout == f'["{tmp_path}", false, true]\n'
    assert all(f"through {way}" in done.stderr for way in ("Python", "the file", "a child"))


JSON_ALONE = """
import json, os, sys, threading
if sys.argv[1] == "command":
    from lth_core.entry.streams import keep_output_apart, settle
    settle()
    keep_output_apart()
else:
    from lth_core.foreign import output_apart
    sys.stdout = output_apart()
thread = threading.Thread(target=os.write, args=(1, b"from another thread\\n"))
thread.start()
thread.join()
print(json.dumps([1]), flush=True)
"""


@pytest.mark.processes
@pytest.mark.parametrize("who", ["command", "answer"])
def test_what_other_threads_write_to_the_file_itself_is_no_output(who: str) -> None:
    done = subprocess.run([sys.executable, "-c", JSON_ALONE, who], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[1]\n", "from another thread\n")


@pytest.mark.processes
def test_a_process_that_answers_ends_with_threads_that_code_has_left() -> None:
    code = (
        "import sys, threading; from lth_core.batches.processes import answer\n"
        "sys.exit(answer(lambda _: {'thread': threading.Thread(target=threading.Event().wait).start()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="{}", capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == '{"thread": null}\n'


class Littering(Walk):
    """Says hello and goes elsewhere, as some do that load files of their own."""

    def __init__(self, **_: Any) -> None:
        print("pygame 2.6 hello")
        os.chdir("/")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class OldConstructor(Walk):
    """Knows no render_mode."""

    def __init__(self) -> None:
        pass


gymnasium.register("Littering-v0", entry_point=Littering)
gymnasium.register("OldConstructor-v0", entry_point=OldConstructor)


def test_an_environment_that_is_checked_leaves_output_and_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    control.check(ControlTask(environment="Littering-v0"))
    assert (Path.cwd(), signal.getsignal(signal.SIGTERM)) == (tmp_path, before)
    said = capfd.readouterr()
    assert said.out == "" and "hello" in said.err


def test_an_environment_without_render_mode_cannot_be_drawn_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r'task.environment "OldConstructor-v0" cannot be drawn: .*render_mode'):
        own = ControlTask(environment="OldConstructor-v0")
        family_of(own).watched(own, 0)


def test_a_signal_that_another_thread_may_not_set_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.chdir(tmp_path)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with contained():
                os.chdir("/")
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failed and Path.cwd() == tmp_path


def test_an_old_environment_is_checked_without_a_word_of_its_library(capfd: pytest.CaptureFixture[str]) -> None:
    control.check(ControlTask(environment="CartPole-v0"))
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
