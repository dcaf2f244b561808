"""What is sent to the terminal for people who are looking elsewhere: bell, title, desktop notification."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lth_core.notify_settings import NotifySettings
from lth_core.text import one_line

if TYPE_CHECKING:
    from lth_core.store.notices import Notice

_ESC, _BELL = "\x1b", "\x07"
_TITLE = f"{_ESC}]2;"
KEEP_TITLE, OWN_TITLE = f"{_ESC}[22;2t", f"{_ESC}[23;2t"
"""Let the terminal keep its title, and take it back."""
_WORDS = {"done": "done", "failed": "failed", "stalled": "stalled", "audit": "audit failed"}
_UNABLE = ("", "dumb", "linux")
"""Terminals that may print what others obey."""


def words(notice: "Notice") -> str:
    """`job 3 cartpole: done`."""
    said = f"job {notice.job} {one_line(notice.name, 60)}: {_WORDS[notice.kind]}"
    return said if notice.kind == "done" else f"{said}: {one_line(notice.text, 120)}"


def sequences(notice: "Notice", settings: NotifySettings, variables: Mapping[str, str]) -> str:
    """What to send. variables: of the environment, which say whether tmux is in between."""
    if notice.kind not in settings.on:
        return ""
    said, terminal = words(notice), variables.get("TERM", "")
    sent = _BELL if settings.bell else ""
    if terminal in _UNABLE:
        return sent
    if settings.title:
        sent += f"{_TITLE}lth: {said}{_BELL}"
    desktop = ""
    if settings.desktop in ("both", "osc9"):
        desktop += f"{_ESC}]9;lth: {said}{_BELL}"
    if settings.desktop in ("both", "osc777"):
        desktop += f"{_ESC}]777;notify;lth;{said.replace(';', ',')}{_BELL}"
    return sent + (_through_tmux(desktop) if "TMUX" in variables or terminal.startswith("tmux") else desktop)


class Notifier:
    """Tells of notices; remembers whether the terminal's title is to be taken back. settings: which ways."""

    def __init__(self) -> None:
        self.settings, self._titled = NotifySettings(), False

    def told(self, notice: "Notice", variables: Mapping[str, str]) -> str:
        """What to send for a notice, see `sequences`; the first time with the request to keep the title."""
        sent = sequences(notice, self.settings, variables)
        keep = _TITLE in sent and not self._titled
        self._titled = self._titled or keep
        return KEEP_TITLE * keep + sent

    def looked_at(self) -> str:
        """What to send once somebody looks again."""
        titled, self._titled = self._titled, False
        return OWN_TITLE * titled


def _through_tmux(sequence: str) -> str:
    """Wrapped so that tmux passes it on, if its option `allow-passthrough` lets it."""
    return f"{_ESC}Ptmux;{sequence.replace(_ESC, _ESC * 2)}{_ESC}\\" if sequence else ""
