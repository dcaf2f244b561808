"""Imports the code that an experiment names: installed modules, and your own files in the version that was queued."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

from lth_core.errors import InputError
from lth_core.settings.code import Named
from lth_core.tasks.text.lines import check_file
from lth_core.text import did_you_mean, one_line


def module(field: str, named: Named, sha256: str | None) -> ModuleType:
    """The module or file that a field names. sha256: the expected hash of the file, if known.

    Raises InputError if it is missing, has changed, or fails during import.
    """
    shown = f'{field} = "{one_line(named.place)}:{one_line(named.name)}"'
    try:
        return _file(field, named.place, sha256) if named.is_file else importlib.import_module(named.place)
    except (InputError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (named.place == error.name or named.place.startswith(f"{error.name}.")):
            raise InputError(
                f"{shown}: no module {error.name} is installed: expected a module of a package that is installed "
                "with this program, or a Python file as PATH.py:NAME"
            ) from error
        raise InputError(f"{shown}: {named.imports} needs a module that is not installed: {error.name}") from error
    except BaseException as error:  # foreign code may raise anything, including SystemExit
        raise InputError(f"{shown}: importing {named.imports} raised {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """The type and message of an exception."""
    said = one_line(error, 300)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _file(field: str, path: str, sha256: str | None) -> ModuleType:
    """Import a file, reading it once so that exactly the hashed code runs. A file is imported only once."""
    source = check_file(field, path, "a Python file").read_bytes()
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise InputError(
            f"{field} = {one_line(path)}: changed since the job was queued: restore the file, or "
            "queue the experiment again to use the file as it is now"
        )
    name = f"lth_named_{found[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    made = ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made  # pickle and dataclasses look it up here
    try:
        exec(compile(source, path, "exec"), made.__dict__)  # noqa: S102 the user named this file
    except BaseException:
        del sys.modules[name]
        raise
    return made


def a_class(field: str, named: Named, within: ModuleType, base: type, but: tuple[type, ...] = ()) -> type[Any]:
    """The class of this name, a subclass of `base` but of none of `but`; nothing else in a module is ever called."""

    def serves(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, base) and value is not base and not issubclass(value, but)

    found = getattr(within, named.name, None)
    if serves(found):
        return cast("type[Any]", found)
    shown = f'{field} = "{one_line(named.place)}:{one_line(named.name)}"'
    own = [name for name, value in vars(within).items() if serves(value)]
    if hasattr(within, named.name):
        kind = f"{base.__module__.partition('.')[0]}.{base.__name__}"
        raise InputError(f"{shown}: {one_line(named.name)} is not a subclass of {kind}{_these(own)}")
    near = did_you_mean(named.name, own)
    raise InputError(f"{shown}: {named.imports} has no {one_line(named.name)}{near or _these(own)}")


def _these(names: list[str]) -> str:
    return f": expected one of {', '.join(map(one_line, sorted(names)[:10]))}" if names else ""


def check_arguments(field: str, creator: Any, arguments: Mapping[str, Any], *first: Any) -> None:
    """Raise InputError, naming the accepted ones, if a constructor does not accept these arguments."""
    try:
        signature = inspect.signature(creator)
    except (TypeError, ValueError):  # unknown for code written in C
        return
    try:
        signature.bind(*first, **arguments)
    except TypeError as error:
        known = [name for name, one in signature.parameters.items() if one.kind in (one.KEYWORD_ONLY,
                 one.POSITIONAL_OR_KEYWORD)][len(first):]  # fmt: skip
        wrong = [name for name in arguments if name not in known]
        near = did_you_mean(wrong[0], known) if wrong else ""
        takes = f"expected one of {', '.join(known)}" if known else "it takes no arguments"
        raise InputError(f"{field}: {one_line(creator.__name__)}: {error}: {takes}{near}") from None
