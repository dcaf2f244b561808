"""The workbench's settings file: keys, theme, notifications; its checks."""

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lth_core.errors import InputError
from lth_core.notify_settings import NotifySettings, parse, tables
from lth_core.text import did_you_mean, one_line

_FIELDS = ("theme", "keys", "notify")
_EXPECTED = "theme, [keys] or [notify]"
_CHOSEN, _SPLIT = "chosen-theme", "chosen-split"


@dataclass(frozen=True)
class Settings:
    """The user's settings. keys: from ids of bindings (`queue.new`) to keys (`n,insert`)."""

    theme: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    notify: NotifySettings = field(default_factory=NotifySettings)


def load_settings(path: Path) -> Settings:
    """The settings of a file, empty if there is none; raises InputError with one sentence."""
    shown = one_line(path)
    fields = tables(path)
    for name in fields:
        if name not in _FIELDS:
            near = did_you_mean(name, _FIELDS)
            raise InputError(f"{shown}: {one_line(name, 40)} is not a setting: expected {_EXPECTED}{near}")
    theme, keys = fields.get("theme"), fields.get("keys", {})
    if theme is not None and not isinstance(theme, str):
        raise InputError(f"{shown}: theme: expected the name of a theme")
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()):
        raise InputError(f'{shown}: keys: expected a table of names and keys such as "queue.new" = "n,insert"')
    return Settings(theme, keys, parse(fields.get("notify", {}), path))


def last_theme(path: Path) -> str | None:
    """The theme that was last chosen in the workbench, unless the settings file was written after that."""
    try:
        if path.exists() and path.stat().st_mtime > path.with_name(_CHOSEN).stat().st_mtime:
            return None
    except OSError:
        return None
    return _kept(path, _CHOSEN) or None


def remember_theme(path: Path, theme: str) -> None:
    """Store the theme for the next start, if the file can be written."""
    _keep(path, _CHOSEN, theme)


def last_split(path: Path) -> int | None:
    """How many percent of the queue page the list last had; None if that was never changed."""
    kept = _kept(path, _SPLIT)
    return int(kept) if kept.isascii() and kept.isdecimal() and len(kept) < 4 else None


def remember_split(path: Path, share: int) -> None:
    """Store the split for the next start, if the file can be written."""
    _keep(path, _SPLIT, str(share))


def _kept(path: Path, name: str) -> str:
    try:
        return path.with_name(name).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _keep(path: Path, name: str, words: str) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(name).write_text(f"{words}\n", encoding="utf-8")


def check(settings: Settings, path: Path, ids: Collection[str], themes: Collection[str]) -> None:
    """Raise InputError for an unknown theme or binding."""
    if settings.theme is not None and settings.theme not in themes:
        wrong, near = one_line(settings.theme, 40), did_you_mean(settings.theme, themes)
        raise InputError(f"{one_line(path)}: theme {wrong}: expected one of {', '.join(sorted(themes))}{near}")
    for name in settings.keys:
        if name not in ids:
            near = did_you_mean(name, ids)
            raise InputError(
                f"{one_line(path)}: keys: there is no {one_line(name, 60)}; lth-tui --keys lists them all{near}"
            )
