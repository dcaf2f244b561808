"""Bell, title and desktop notifications for people who look elsewhere."""

from pathlib import Path

import pytest
from tui_helpers import Open, until
from workspace_fixture import Writer

from lth_core.notify_settings import NotifySettings
from lth_core.store.jobs import set_job
from lth_core.store.notices import Notice
from lth_tui import notify

NOTICE = Notice("failed", 3, "a\x1b]0;evil\x07b;c", "failed", "job failed: \x9b31m2 trials\x07", 0.0)
SAID = "job 3 ab;c: failed: job failed: 31m2 trials"


@pytest.mark.parametrize(
    ("settings", "variables", "expected"),
    [
        (
            NotifySettings(), {"TERM": "xterm"},
            f"\x07\x1b]2;lth: {SAID}\x07\x1b]9;lth: {SAID}\x07\x1b]777;notify;lth;{SAID.replace(';', ',')}\x07",
        ),
        (
            NotifySettings(bell=False, title=False, desktop="osc9"), {"TERM": "screen", "TMUX": "socket,1,0"},
            f"\x1bPtmux;\x1b\x1b]9;lth: {SAID}\x07\x1b\\",
        ),
        (NotifySettings(bell=False, desktop="off"), {"TERM": "tmux-256color"}, f"\x1b]2;lth: {SAID}\x07"),
        (NotifySettings(), {"TERM": "linux"}, "\x07"),
        (NotifySettings(on=("done",)), {"TERM": "xterm"}, ""),
        (NotifySettings(bell=False, title=False, desktop="off"), {"TERM": "xterm"}, ""),
    ],
)  # fmt: skip
def test_each_is_switched_by_itself_and_no_name_acts_on_the_terminal(
    settings: NotifySettings, variables: dict[str, str], expected: str
) -> None:
    assert notify.sequences(NOTICE, settings, variables) == expected


def test_a_terminal_that_gets_no_title_is_not_asked_to_keep_one() -> None:
    notifier = notify.Notifier()
    assert notifier.told(NOTICE, {"TERM": "linux"}) == "\x07"
    assert notifier.looked_at() == ""
    assert notifier.told(NOTICE, {"TERM": "xterm"}).startswith(notify.KEEP_TITLE)
    assert notifier.looked_at() == notify.OWN_TITLE


async def test_a_job_that_ends_rings_and_the_title_is_given_back(
    opened: Open, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("TMUX", raising=False)
    file = tmp_path / "settings" / "lth" / "workbench.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[notify]\ndesktop = 'osc777'\n")
    async with opened() as (app, pilot):
        sent: list[str] = []
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", sent.append)
        with writer.database.transaction() as connection:
            set_job(connection, 2, "done")
        await until(pilot, lambda: bool(sent))
        assert sent[0].startswith("\x1b[22;2t\x07\x1b]2;lth: job 2 ")
        assert sent[0].endswith(": done\x07") and "\x1b]777;notify;lth;job 2 " in sent[0] and "\x1b]9;" not in sent[0]
        await pilot.press("down")
        assert sent[1:] == ["\x1b[23;2t"]
