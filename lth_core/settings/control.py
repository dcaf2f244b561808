"""Control from vector observations: a kind of `[task]`."""

import json
from typing import Any, ClassVar, Literal

from pydantic import Field

from lth_core.settings.base import Contents, Positive, TaskSection
from lth_core.settings.code import Arguments, EnvironmentName, Named, Wrapped, named
from lth_core.settings.reinforcement import ALGORITHMS, RETURNS


class ControlTask(TaskSection):
    """Control from vector observations: an environment registered with gymnasium, one of an installed package
    (MODULE:NAME, such as "minigrid:MiniGrid-Empty-5x5-v0"), or a class in your own file (PATH.py:NAME, relative to
    the working folder).

    arguments: keyword arguments of its constructor. wrappers: MODULE:NAME or PATH.py:NAME, each wrapped around those
    before it; with arguments, { name = ..., arguments = { ... } }. leave_out: entries of a Dict observation to hide
    from the network. time_limit: steps after which an episode is truncated, replacing the environment's own limit; the
    value of the last state is bootstrapped, as with any time limit. contents: filled in when the file is read, with the
    SHA-256 of each Python file.
    """

    kind: Literal["control"] = "control"
    environment: EnvironmentName = "CartPole-v1"
    arguments: Arguments = Field(default_factory=dict)
    wrappers: tuple[Wrapped, ...] = ()
    leave_out: tuple[str, ...] = ()
    time_limit: Positive | None = None
    contents: Contents = ()

    episode_limit: ClassVar[str] = "time_limit"
    added: ClassVar[frozenset[str]] = frozenset({"arguments", "wrappers", "leave_out", "time_limit", "contents"})
    score: ClassVar[str] = RETURNS[0]
    curve: ClassVar[str] = "return/train"
    higher_is_better: ClassVar[bool] = True
    networks: ClassVar[tuple[str, ...]] = ("mlp",)
    algorithms: ClassVar[tuple[str, ...]] = (*ALGORITHMS, "dqn", "sac")

    @property
    def code(self) -> dict[str, Named]:
        """The code to import, by the field that names it."""
        wrappers = {f"wrappers.{place}": one.name for place, one in enumerate(self.wrappers)}
        found = {field: named(text) for field, text in {"environment": self.environment, **wrappers}.items()}
        return {field: one for field, one in found.items() if one is not None}

    @property
    def imports(self) -> tuple[str, ...]:
        """See TaskSection."""
        return tuple(dict.fromkeys(one.imports for one in self.code.values()))

    @property
    def modules(self) -> tuple[str, ...]:
        """See TaskSection."""
        return tuple(dict.fromkeys(one.place for one in self.code.values() if not one.is_file))

    def identifying(self) -> dict[str, Any]:
        """See Section: a Python file is identified by its content, not by its path."""
        fields = super().identifying()
        for field, one in self.code.items():
            if one.is_file and field == "environment":
                fields[field] = f".py:{one.name}"
            elif one.is_file:
                fields["wrappers"][int(field.partition(".")[2])]["name"] = f".py:{one.name}"
        return fields

    @property
    def environment_alone(self) -> "ControlTask":
        """Its environment as a task to be learnt from rewards."""
        return ControlTask(**{name: getattr(self, name) for name in ControlTask.model_fields if name != "kind"})

    @property
    def changes(self) -> str:
        """How it differs from the original environment, in a few words; empty if it does not."""
        told = [f"{name}={json.dumps(value)}" for name, value in self.arguments.items()]
        told += [one.short.rpartition(":")[2] for field, one in self.code.items() if field != "environment"]
        told += [f"without {name}" for name in self.leave_out]
        return ", ".join([*told, *([f"{self.time_limit} steps"] if self.time_limit is not None else [])])

    @property
    def subject(self) -> str:
        """See TaskSection."""
        own = named(self.environment)
        name = own.short if own is not None else self.environment
        return f"{name} ({self.changes})" if self.changes else name
