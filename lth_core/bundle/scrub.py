"""Removes what names the machine: folders of absolute paths, hosts, users. What is left means the same elsewhere."""

import contextlib
import getpass
import json
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.settings.launcher import LocalLauncher

_WEB = r"\bhttps?://\S+"
_FOLDERS = r"(?:file:/*|(?<![\w./\\~])(?:~|[A-Za-z]:)?)[/\\]+(?:[^\s/\\'\"<>|:;,()\[\]{}]+[/\\])+"
_PATHS = re.compile(f"({_WEB})|{_FOLDERS}")
SHORTEST = 3
"""Characters of a name below which it is left: it could be any word."""
_COMMON = {"root", "user", "localhost"}


class Scrubber:
    """Cleans texts and JSON values of this machine's names. hosts: further ones, of machines that trained."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        users, names = {Path.home().name}, {socket.gethostname(), *hosts}
        with contextlib.suppress(OSError, KeyError):  # a user without a name
            users.add(getpass.getuser())
        names |= {name.partition(".")[0] for name in names}
        self._words = {word: "USER" for word in users if _telling(word)} | {
            word: "HOST" for word in names if _telling(word)
        }
        longest = sorted(map(re.escape, self._words), key=len, reverse=True)
        self._named = re.compile(rf"(?<!\w)(?:{'|'.join(longest)})(?!\w)") if longest else None

    def text(self, text: str) -> str:
        """A text without folders of absolute paths (names of files stay), hosts and users."""
        found = _PATHS.sub(lambda match: match[1] or "", text)
        return found if self._named is None else self._named.sub(lambda match: self._words[match[0]], found)

    def value(self, value: Any) -> Any:
        """A JSON value with all its texts cleaned, and without fields called `host`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(one) for name, one in value.items() if name != "host"}
        return [self.value(one) for one in value] if isinstance(value, list) else value


def _telling(word: str) -> bool:
    return len(word) >= SHORTEST and word not in _COMMON


def placeless(experiment: Experiment) -> Experiment:
    """The experiment with bare names of its files, whose hashes it has, and without its launcher.

    Raises InputError if a path is all that says what a file held.
    """
    fields = json.loads(experiment.model_copy(update={"launcher": LocalLauncher()}).canonical())
    found = Experiment.from_json(json.dumps(_without_folders(fields)))
    if found.identity != experiment.identity:
        raise InputError(
            f"{experiment.name}: names a file by its path alone, without a hash of its content: expected an experiment "
            "that was queued by a version that stores hashes"
        )
    return found


def _without_folders(value: Any) -> Any:
    if isinstance(value, str):
        return _PATHS.sub(lambda match: match[1] or "", value)
    if isinstance(value, dict):
        return {name: _without_folders(one) for name, one in value.items()}
    return [_without_folders(one) for one in value] if isinstance(value, list) else value
