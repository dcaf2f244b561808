"""The SHA-256s of an experiment's files, which are part of its identity. Imports no torch."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from lth_core.checkpoints import weights
from lth_core.checkpoints.files import TOKENIZER, folder_of
from lth_core.errors import InputError
from lth_core.settings.base import Contents, NetworkSection, Section, TaskSection
from lth_core.settings.control import ControlTask
from lth_core.settings.images import ImagesTask
from lth_core.settings.networks import Model
from lth_core.settings.tasks import Task
from lth_core.settings.texts import PARTS, LanguageModelTask, TranslationTask
from lth_core.tasks.images.forms import form_of
from lth_core.tasks.text import cache
from lth_core.tasks.text.lines import check_file
from lth_core.tasks.translation import pairs
from lth_core.text import one_line

_SETTINGS = ("*.json", "merges.txt", "*.jinja")
_SETTLED = 2 * 10**9
"""Minimum age of a file in nanoseconds, since two changes within one clock tick have the same time."""
_NAMED = 8
"""Files of a folder of pictures up to which each has a hash of its own: MNIST has 4, CIFAR-10 6."""
_S = TypeVar("_S", bound=Section)


def filled_in(section: _S) -> _S:
    """A task or model with absolute paths of its files, and their contents' hashes."""
    found = _of(section)
    if not found:
        return section
    return section.model_copy(update={**_places(section, found), "contents": found})


def _places(section: Section, found: Contents) -> dict[str, Any]:
    """The fields that name files, with absolute paths."""
    if not isinstance(section, ControlTask):
        return {place: str(Path(getattr(section, place)).absolute()) for place in section.read_from(found)}
    whole = {field: f"{Path(one.place).absolute()}:{one.name}" for field, one in section.code.items() if one.is_file}
    wrappers = [
        wrapper.model_copy(update={"name": whole[f"wrappers.{place}"]}) if f"wrappers.{place}" in whole else wrapper
        for place, wrapper in enumerate(section.wrappers)
    ]
    return {"environment": whole.get("environment", section.environment), "wrappers": tuple(wrappers)}


def check(section: Task | Model) -> None:
    """InputError that names the file where one holds something else than when the experiment was read."""
    if getattr(section, "contents", ()):
        compare(section, _of(section))


def compare(section: Section, found: Contents) -> None:
    """Like `check`, for given hashes."""
    wanted, now = dict(getattr(section, "contents", ())), dict(found)
    for name in sorted({*wanted, *now}) if wanted else ():
        was, has = wanted.get(name), now.get(name)
        if was == has:
            continue
        path = dict(_files(section)).get(name)
        table = "task" if isinstance(section, TaskSection) else "model"
        shown = f"{table}.{name}" + (f" = {one_line(path)}" if path else "")
        said = f"its SHA-256 begins with {has[:12]}" if has else "it is missing"
        before = f"it began with {was[:12]}" if was else "it was not there"
        raise InputError(
            f"{shown}: changed since the job was queued ({said}, {before}): restore the file, or "
            "queue the experiment again to use the file as it is now"
        )


def of_task(task: TaskSection) -> Contents:
    """The hashes of a task's files, by part and by the checkpoint's files; empty if it has none."""
    return _of(task)


def _of(section: Section) -> Contents:
    return tuple((name, _sha256(path)) for name, path in _files(section))


def _sha256(path: Path) -> str:
    return _together(path, form_of(str(path)).files()) if path.is_dir() else file_sha256(path)


def _files(section: Section) -> Iterator[tuple[str, Path]]:
    if isinstance(section, LanguageModelTask | TranslationTask):
        if section.source == "files":
            for part in PARTS:
                yield from _files_of(section, part)
        if section.checkpoint is not None:
            yield from _checkpoint(section.checkpoint, (*TOKENIZER, *_SETTINGS))
    elif isinstance(section, ImagesTask):
        yield from _pictures(section)
    elif isinstance(section, ControlTask):
        for field, one in section.code.items():
            if one.is_file:
                yield field, check_file(f"task.{field}", one.place, "a Python file")
    elif isinstance(section, NetworkSection) and section.pretrained is not None:
        yield from _weights(section.pretrained)


def _files_of(task: LanguageModelTask | TranslationTask, part: str) -> Iterator[tuple[str, Path]]:
    """The ending counts too: it decides how a file is read."""
    if isinstance(task, LanguageModelTask):
        paths, names = [check_file(f"task.{part}", str(getattr(task, part)))], [part]
    else:
        paths = pairs.files(task, part)
        kind = pairs.kind(paths[0].name) if len(paths) == 1 else ""
        names = [f"{part}{kind}"] if len(paths) == 1 else [f"{part}.{language}" for language in task.languages]
    for name, path in zip(names, paths, strict=True):
        yield name + ".gz" * (path.suffix == ".gz"), path


def _pictures(task: ImagesTask) -> Iterator[tuple[str, Path]]:
    """The files of a task's folder; the folder itself where there are many."""
    if task.folder is None:
        return
    form = form_of(task.folder)
    files = form.files()
    if files == [form.path]:
        yield f"folder{form.path.suffix}", form.path
    elif len(files) > _NAMED:
        yield "folder/pictures", form.path
    else:
        yield from ((f"folder/{path.name}", path) for path in files)


def _weights(checkpoint: str) -> Iterator[tuple[str, Path]]:
    """What a network is loaded from."""
    loaded = weights.files(Path(checkpoint))
    yield from _checkpoint(checkpoint, (*loaded, "config.json", "generation_config.json"))


def _checkpoint(name: str, patterns: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The files of a folder; none for an id on the hub, whose local files change with the first download."""
    folder = Path(name)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in patterns):
            yield f"checkpoint/{path.name}", path


def of_download(checkpoint: str) -> dict[str, str]:
    """One SHA-256 of what is loaded of a checkpoint of the hub, as it was downloaded; a folder's are in `contents`."""
    folder = folder_of(checkpoint)
    if Path(checkpoint).is_dir() or not folder.is_dir():
        return {}
    found = tuple((name, file_sha256(path)) for name, path in _weights(str(folder)))
    return {f"model.checkpoint {one_line(checkpoint)}": cache.key({"files": found})}


def hub_facts(name: str | None) -> dict[str, str | None]:
    """A hub id and its downloaded revision; None for a folder."""
    if name is None or Path(name).is_dir():
        return {}
    found = folder_of(name)
    return {"checkpoint": name, "revision": found.name if found.is_dir() else None}


def check_unchanged(task: TaskSection, read: Contents) -> None:
    """Raise InputError if a task's files changed while they were read."""
    if of_task(task) != read:
        raise InputError("a file of [task] changed while it was read: run again once the file is complete")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, cached by its path, size and times."""
    try:
        stamp = _stamp(path)
        kept = cache.folder() / "hashes" / f"{cache.key({'path': str(path.absolute())})}.json"
        known = _known(kept)
        if known is not None and known[:-1] == stamp:
            return str(known[-1])
        found = cache.sha256_of(path)
        if _stamp(path) == stamp and time.time_ns() - max(stamp[1:3]) > _SETTLED:
            _keep(kept, [*stamp, found])
    except OSError as error:
        raise InputError(f"{one_line(path)}: {error.strerror or one_line(error)}") from None
    return found


def _together(folder: Path, files: Sequence[Path]) -> str:
    """SHA-256 of many files and their names, cached by their sizes and times."""
    try:
        stamps = [_stamp(path) for path in files]
        named = [[str(path.relative_to(folder)), stamp] for path, stamp in zip(files, stamps, strict=True)]
        seen = hashlib.sha256(json.dumps(named).encode()).hexdigest()
        kept = cache.folder() / "hashes" / f"{cache.key({'folder': str(folder.absolute())})}.json"
        known = _known(kept)
        if known is not None and known[0] == seen:
            return str(known[-1])
        found = hashlib.sha256()
        for path in files:
            found.update(f"{path.relative_to(folder)}\x1f{cache.sha256_of(path)}\x1f".encode())
        newest = max(max(stamp[1:3]) for stamp in stamps)
        if time.time_ns() - newest > _SETTLED:
            _keep(kept, [seen, 0, 0, 0, 0, found.hexdigest()])
    except OSError as error:
        raise InputError(f"{one_line(folder)}: {error.strerror or one_line(error)}") from None
    return found.hexdigest()


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _known(kept: Path) -> list[int | str] | None:
    try:
        found = json.loads(kept.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and len(found) == 6 else None


def _keep(kept: Path, entry: list[int | str]) -> None:
    with contextlib.suppress(OSError):  # then it is read again next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_name(f".{kept.name}.{os.getpid()}")
        temporary.write_text(json.dumps(entry))
        temporary.replace(kept)
