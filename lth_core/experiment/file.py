"""Reads an experiment from a TOML file, or a resolved one from JSON, with `--set` overrides; reports errors in one
sentence."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lth_core.errors import InputError
from lth_core.experiment import device_rules, presets, rules, teachers
from lth_core.experiment.arms import Arm
from lth_core.experiment.baseline import baseline_notes
from lth_core.experiment.episodes import check_episodes
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.tables import KINDS, with_kinds
from lth_core.experiment.ticket_files import Place
from lth_core.invalid import reason
from lth_core.settings.imitation import ImitationTask
from lth_core.settings.ticket import TicketSource
from lth_core.settings.values import ReplayTraining
from lth_core.text import did_you_mean, either, is_name, one_line

LARGEST_FILE = 1_000_000
"""Maximum bytes of a file."""
_SEEDS = "a count from 1 to 1000 or a list of 1 to 1000 seeds"


def load_experiment(path: Path, overrides: Iterable[str] = ()) -> Experiment:
    """The resolved experiment of a TOML file.

    `seeds` may be a count (`8` means 0 to 7) or a list; `name` defaults to the file's stem;
    `overrides` are `field=value` with dotted fields and TOML values (`pruning.rounds=3`).
    Raises InputError with one sentence for anything unreadable or invalid.
    """
    return experiment_of(read_fields(path), path, overrides)


def read_fields(path: Path) -> dict[str, Any]:
    """The plain data of a TOML file, or of a bundle's `experiment.json`; raises InputError with one sentence if it is
    unreadable."""
    shown = one_line(path)
    try:
        if not path.is_file():
            path.stat()  # raises if there is no such file
            raise InputError(f"{shown}: not a regular file")
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{shown}: larger than {LARGEST_FILE:,} bytes: expected an experiment file")
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix == ".json" or text.lstrip().startswith("{"):  # as no TOML does
            return _resolved(text, shown)
        return tomllib.loads(text)
    except FileNotFoundError:
        near = did_you_mean(path.with_suffix("").as_posix().removeprefix("configs/"), presets.names())
        raise InputError(f"{shown}: no such file or preset (`lth presets` lists the presets){near}") from None
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{shown}: not UTF-8 text (byte {error.start})") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number beyond Python's limits
        raise InputError(f"{shown}: not valid TOML: {one_line(error)}") from None


def _resolved(text: str, shown: str) -> dict[str, Any]:
    """The fields of `Experiment.canonical()`, those that an earlier version did not have with what it did."""
    try:
        return Experiment.from_json(text).model_dump(mode="json")
    except ValidationError as error:
        wanted = "an experiment.json that this program wrote"
        if error.errors()[0]["type"] in ("json_invalid", "model_type"):  # no field to name
            raise InputError(f"{shown}: {reason(error, 400)}: expected {wanted}, or TOML") from None
        raise InputError(
            f"{shown}: {_sentence(error, json.loads(text))} (JSON has to be {wanted}; anything else is TOML)"
        ) from None


def experiment_of(
    fields: dict[str, Any], path: Path, overrides: Iterable[str] = (), *, runs_here: bool = True
) -> Experiment:
    """The resolved experiment of the plain data of a file; see `load_experiment` and `suite.load`."""
    shown = one_line(path)
    for override in overrides:
        apply_override(fields, override)
    if "name" not in fields:
        if not is_name(path.stem):
            raise InputError(f"{shown}: the file's name is not a valid experiment name: set the field name")
        fields["name"] = path.stem
    return (resolve if runs_here else validated)(fields, shown)


def validated(fields: dict[str, Any], source: str) -> Experiment:
    """Plain data as an Experiment, whether or not it can be run here; `source` opens the sentence of the InputError."""
    seeds = fields.get("seeds")
    if isinstance(seeds, float) and seeds.is_integer():
        seeds = int(seeds)
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if not 1 <= seeds <= 1000:
            raise InputError(f"{source}: seeds = {_shown(seeds)}: expected {_SEEDS}")
        fields = {**fields, "seeds": list(range(seeds))}
    if isinstance(fields.get("ticket"), str):
        fields = {**fields, "ticket": {"path": fields["ticket"]}}
    return _validated(fields, source)


def resolve(fields: dict[str, Any], source: str) -> Experiment:
    """Plain data as an Experiment that can be run here, with its files found; raises InputError like `validated`."""
    experiment = validated(fields, source)
    if experiment.ticket is not None:
        experiment = validated({**fields, "ticket": _found(experiment, experiment.ticket, source)}, source)
    # Here and not in the model, so that stored experiments can be read without their environment installed, and if
    # only an earlier version accepted them.
    from lth_core.tasks.available import check, environments, episode_steps

    try:
        rules.check_tokens(experiment)
        rules.check_kept(experiment)
        rules.check_rates(experiment)
        rules.check_rewind_point(experiment)
        check(experiment.task, experiment.model)
        check_episodes(experiment, episode_steps(experiment.task))
        if isinstance(experiment.training, ReplayTraining) and not getattr(experiment.task, "code", None):
            rules.check_actions(experiment, environments(experiment.task))
        if experiment.steps_on_device:
            device_rules.check_environment(experiment, environments(experiment.task))
        return _with_contents(experiment)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _with_contents(experiment: Experiment) -> Experiment:
    """With absolute paths of its files and their hashes; raises InputError if the given hashes differ."""
    from lth_core.tasks import contents

    contents.check(experiment.task)
    contents.check(experiment.model)
    task = contents.filled_in(experiment.task)
    if isinstance(task, ImitationTask):
        task = task.model_copy(update={"teacher": teachers.found(task)})
    found = {"task": task, "model": contents.filled_in(experiment.model)}
    return experiment.model_copy(update=found)


def notes(experiment: Experiment) -> list[str]:
    """What may surprise the owner of an experiment, one line each: how its files are used, what is compared."""
    from lth_core.tasks import available

    return [*available.notes(experiment.task, experiment.model), *baseline_notes(experiment)]


def _validated(fields: dict[str, Any], source: str) -> Experiment:
    try:
        return Experiment.from_fields(fields)
    except ValidationError as error:
        raise InputError(f"{source}: {_sentence(error, fields)}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: {one_line(error)}") from None


def _found(experiment: Experiment, ticket: TicketSource, source: str) -> dict[str, Any]:
    """The ticket's table with its absolute path, digest and rounds."""
    place = Place(str(Path(ticket.path).absolute()))
    if experiment.pruning.fractions and not place.by_round:
        raise InputError(
            f'{source}: ticket.path "{one_line(ticket.path)}": with pruning.fractions the density of a round is '
            "not known in advance, so tickets cannot be matched by density: expected a path with {round}"
        )
    densities = {k: experiment.pruning.density(k) for k in range(1, experiment.pruning.rounds + 1)}
    try:
        rounds, digest = place.found(experiment.seeds, densities)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if ticket.digest not in ("", digest):
        raise InputError(f"{source}: ticket.digest: {one_line(ticket.path)} holds a ticket with another digest")
    return {**ticket.model_dump(mode="json"), "path": place.path, "digest": digest, "rounds": list(rounds)}


def apply_override(fields: dict[str, Any], override: str) -> None:
    """Set one dotted field of plain data from `field=value`; raises InputError for anything else."""
    name, equals, text = override.partition("=")
    if not equals or not name.strip():
        raise InputError(f'--set {one_line(override)}: expected field=value, such as "pruning.rounds=3"')
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    *tables, last = name.strip().split(".")
    for table in tables:
        fields = fields.setdefault(table, {})
        if not isinstance(fields, dict):
            raise InputError(f"--set {one_line(override)}: {one_line(table)} is not a table")
    fields[last] = value


def _sentence(error: ValidationError, fields: dict[str, Any]) -> str:
    errors = _telling(error.errors(include_url=False))
    first = errors[0]
    # A union gives an error per branch, with the branch in its location: combine those of one field.
    place, branches = _place(first)
    same = [e for e in errors if _place(e)[0] == place]
    field = ".".join(one_line(part) for part in place)
    more = "" if len(errors) == len(same) else f" (and {len(errors) - len(same)} more)"
    if first["type"] == "value_error":
        said = one_line(first["ctx"]["error"], 2000)
        return (f"{field}: {said}" if field else said) + more
    if first["type"] == "extra_forbidden":
        known = _fields_of(place[:-1], branches)
        expected = f": expected one of {', '.join(known)}" if known else ""
        return f"{field} is not a field{_whose(place, branches)}{expected}{did_you_mean(str(place[-1]), known)}{more}"
    if first["type"] == "union_tag_invalid":
        known = [*_fitting(field, fields)] or first["ctx"]["expected_tags"].replace("'", "").split(", ")
        tag, discriminator = str(first["ctx"]["tag"]), first["ctx"]["discriminator"].strip("'")
        expected = f"{either([repr(one) for one in known])}{did_you_mean(tag, known)}"
        return f"{field}.{discriminator} = {_shown(tag)}: expected {expected}{more}"
    if first["type"] == "missing" and not _lacks_item(first):
        return f"{field} is missing{more}"
    expected = _SEEDS if place == ["seeds"] else " or ".join(_expected(e) for e in same)
    return f"{field} = {_shown(first['input'])}: expected {expected}{more}"


def _fitting(table: str, fields: dict[str, Any]) -> Sequence[str]:
    """The kinds of `[model]` or `[training]` that fit the task, which is right where the first error is in these."""
    kinds = {"model": "networks", "training": "algorithms"}.get(table)
    return getattr(KINDS["task"][with_kinds(fields)["task"]["kind"]], kinds) if kinds else ()


def _telling(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop redundant errors: of a list's missing items all but the last, and "too short" if items are invalid."""
    longest = {e["loc"][:-1]: e for e in errors if _lacks_item(e)}
    bad = {e["loc"][:-1] for e in errors}
    return [
        e
        for e in errors
        if not (e["type"] == "too_short" and e["loc"] in bad) and (not _lacks_item(e) or e is longest[e["loc"][:-1]])
    ]


def _lacks_item(error: ErrorDetails) -> bool:
    """Whether a list of fixed length has fewer items."""
    return error["type"] == "missing" and isinstance(error["loc"][-1], int)


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) > 10**30:
        return "a huge number"  # Python refuses to print the largest
    return one_line(json.dumps(value, default=str), 80)


def _place(error: ErrorDetails) -> tuple[list[int | str], list[str]]:
    """The location of an error in the user's file, and the branches of unions on the way."""
    place: list[int | str] = []
    branches: list[str] = []
    for number, part in enumerate(error["loc"][:-1] if _lacks_item(error) else error["loc"]):
        tag = number == 1 and part in KINDS.get(str(place[0]), {})
        plain = part in ("int", "float", "str", "bool")
        if isinstance(part, str) and (
            tag or plain or part.startswith(("literal[", "constrained-", "function-before["))
        ):
            branches.append(part)
        else:
            place.append(part)
    return place, branches


_TYPES = {
    "tuple_type": "a list", "list_type": "a list", "dict_type": "a table", "model_type": "a table",
    "too_short": "a list of at least {min_length}", "too_long": "a list of at most {max_length}",
    "string_type": "text", "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_short": "text of length {min_length} or more",
    "string_too_long": "text of length {max_length} or less",
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "float_type": "a number", "float_parsing": "a number", "finite_number": "a finite number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "greater_than": "more than {gt}", "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}", "less_than_equal": "{le} or less",
}  # fmt: skip
"""What is expected, by the type of pydantic's error, if its own message is unclear."""


def _expected(error: ErrorDetails) -> str:
    if _lacks_item(error):
        return f"a list of {int(error['loc'][-1]) + 1}"
    if error["type"] in _TYPES:
        bounds = {name: f"{n:g}" if isinstance(n, float) else n for name, n in error.get("ctx", {}).items()}
        return _TYPES[error["type"]].format(**bounds)
    message = error["msg"].removeprefix("Input should be ")
    suggestion = ""
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        known = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        suggestion = did_you_mean(error["input"], known)
    return f"{message}{suggestion}"


def _whose(place: list[int | str], branches: list[str]) -> str:
    """` of "dqn", but of "a2c", "ppo"` where other kinds of the table have the field."""
    kinds = KINDS.get(str(place[0]), {}) if len(place) == 2 else {}
    own = [branch for branch in branches if branch in kinds]
    others = [f'"{kind}"' for kind, table in kinds.items() if place[-1] in table.model_fields]
    return f' of "{own[0]}", but of {", ".join(others)}' if own and others else ""


def _fields_of(place: list[int | str], branches: list[str]) -> list[str]:
    """The fields of the table at `place`, in these branches; empty if any name is allowed."""
    if not place:
        return list(Experiment.model_fields)
    table = str(place[0])
    if table == "arm":
        return list(Arm.model_fields) if len(place) == 2 else []
    kinds = KINDS.get(table, {})
    chosen = [kinds[branch] for branch in branches if branch in kinds]
    annotation = chosen[0] if chosen else Experiment.model_fields[table].annotation
    if len(place) > 1 or not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    return list(annotation.model_fields)
