"""Code that an experiment names, imported: modules that are installed, and files of one's own, which run as they were
read when the experiment was queued."""

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
    """The module or file that a field names; sha256: what the file must hold, where that is known.

    Raises InputError with a sentence where it is not there, holds something else, or fails while it is imported.
    """
    shown = f'{field} = "{one_line(named.place)}:{one_line(named.name)}"'
    try:
        return _file(field, named.place, sha256) if named.is_file else importlib.import_module(named.place)
    except (InputError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (named.place == error.name or named.place.startswith(f"{error.name}.")):
            raise InputError(
                f"{shown}: there is no module {error.name} here: expected modules of packages that are installed "
                "beside this program, and Python files as PATH.py:NAME"
            ) from error
        raise InputError(f"{shown}: {named.imports} needs a module that is not installed: {error.name}") from error
    except BaseException as error:  # code of others may raise anything, also to end the process
        raise InputError(f"{shown}: importing {named.imports} raised {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """What was raised, with what it says."""
    said = one_line(error, 300)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _file(field: str, path: str, sha256: str | None) -> ModuleType:
    """Read once: what is run is what was hashed. A file that was imported before is not run again."""
    source = check_file(field, path, "a Python file").read_bytes()
    found = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, found):
        raise InputError(
            f"{field} = {one_line(path)}: not what it was when the job was queued: expected the file as it was; "
            "with the file as it is now, run the experiment again, which is another one"
        )
    name = f"lth_named_{found[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    made = ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made  # where pickle and dataclasses look for it
    try:
        exec(compile(source, path, "exec"), made.__dict__)  # noqa: S102 the user named this file
    except BaseException:
        del sys.modules[name]
        raise
    return made


def a_class(field: str, named: Named, within: ModuleType, base: type, but: tuple[type, ...] = ()) -> type[Any]:
    """The class of this name, a kind of `base` and of none in `but`: nothing else of a module is ever called."""

    def serves(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, base) and value is not base and not issubclass(value, but)

    found = getattr(within, named.name, None)
    if serves(found):
        return cast("type[Any]", found)
    shown = f'{field} = "{one_line(named.place)}:{one_line(named.name)}"'
    own = [name for name, value in vars(within).items() if serves(value)]
    if hasattr(within, named.name):
        kind = f"{base.__module__.partition('.')[0]}.{base.__name__}"
        raise InputError(f"{shown}: {one_line(named.name)} is no class of kind {kind}{_these(own)}")
    near = did_you_mean(named.name, own)
    raise InputError(f"{shown}: {named.imports} has no {one_line(named.name)}{near or _these(own)}")


def _these(names: list[str]) -> str:
    return f": expected one of {', '.join(map(one_line, sorted(names)[:10]))}" if names else ""


def check_arguments(field: str, creator: Any, arguments: Mapping[str, Any], *first: Any) -> None:
    """InputError, naming those that there are, where a constructor does not take these arguments."""
    try:
        signature = inspect.signature(creator)
    except (TypeError, ValueError):  # not said by what is written in C
        return
    try:
        signature.bind(*first, **arguments)
    except TypeError as error:
        known = [name for name, one in signature.parameters.items() if one.kind in (one.KEYWORD_ONLY,
                 one.POSITIONAL_OR_KEYWORD)][len(first):]  # fmt: skip
        wrong = [name for name in arguments if name not in known]
        near = did_you_mean(wrong[0], known) if wrong else ""
        takes = f"expected one of {', '.join(known)}" if known else "it takes none"
        raise InputError(f"{field}: {one_line(creator.__name__)}: {error}: {takes}{near}") from None
