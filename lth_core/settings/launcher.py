"""Where batches run: the kinds of `[launcher]`. It does not affect results, so it is not part of an identity."""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from lth_core.settings.base import WHOLE, Section
from lth_core.text import did_you_mean, one_line

OPTIONS = (
    "begin", "comment", "constraint", "deadline", "exclude", "exclusive", "gpu-bind", "gpu-freq", "gres", "hint",
    "licenses", "mail-type", "mail-user", "mem-bind", "mem-per-cpu", "mem-per-gpu", "nice", "nodelist", "oversubscribe",
    "prefer", "priority", "qos", "reservation", "switches", "threads-per-core", "tmp", "wckey",
)  # fmt: skip
"""Permitted options of sbatch: none runs a command, writes a file, or is set by the launcher itself."""

_TIME = re.compile(r"(?:\d{1,4}-)?\d{1,4}(?::[0-5]\d){0,2}")
_MEMORY = re.compile(r"[1-9]\d{0,9}[KMGT]?")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,@+-]{0,199}")
_VALUE = re.compile(r"[A-Za-z0-9_./:,;=@+*&|()\[\]<>! -]{1,400}")


class LocalLauncher(Section):
    """Worker processes on the machine where the engine runs, one per slot.

    device: which slots to use if there are both kinds; auto: those that train this kind of network faster.
    """

    kind: Literal["local"] = "local"
    device: Literal["auto", "cpu", "cuda"] = "auto"


class SlurmLauncher(Section):
    """Jobs of a Slurm cluster, one per batch; missing fields take the cluster's defaults.

    gpus: 0 trains on the CPU, 1 on a GPU; a batch uses one device. memory: per job, as in `--mem` (4G). time_limit:
    as in `--time` (minutes, hours:minutes:seconds, days-hours). warning: seconds before the limit at which a job
    checkpoints and ends, to continue in a new job. options: further options of sbatch. most_jobs: most jobs submitted
    at once. poll_every: seconds between two queries of the scheduler's queue.
    """

    kind: Literal["slurm"] = "slurm"
    gpus: Annotated[int, Field(ge=0, le=1), WHOLE] = 0
    cpus: Annotated[int, Field(ge=1, le=1024), WHOLE] = 1
    memory: str | None = None
    time_limit: str | None = None
    warning: Annotated[int, Field(ge=30, le=3600), WHOLE] = 120
    partition: str | None = None
    account: str | None = None
    options: dict[str, str | int | bool] = Field(default_factory=dict)
    most_jobs: Annotated[int, Field(ge=1, le=1000), WHOLE] = 16
    poll_every: Annotated[int, Field(ge=1, le=3600), WHOLE] = 30

    @property
    def trains_on(self) -> str:
        """The kind of device: cpu or cuda."""
        return "cuda" if self.gpus else "cpu"

    @model_validator(mode="before")
    @classmethod
    def _of_this_machine(cls, fields: Any) -> Any:
        """A file of this machine's says device = "auto", which asks for nothing: `--launcher slurm` takes it too."""
        auto = isinstance(fields, dict) and fields.get("device") == "auto"
        return {name: one for name, one in fields.items() if name != "device"} if auto else fields

    @model_validator(mode="after")
    def _rules(self) -> Self:
        forms = (
            ("time_limit", self.time_limit, _TIME, 'minutes, "hours:minutes:seconds" or "days-hours:minutes"'),
            ("memory", self.memory, _MEMORY, "a number with K, M, G or T"),
            ("partition", self.partition, _WORD, "a name"),
            ("account", self.account, _WORD, "a name"),
        )
        for field, value, form, accepted in forms:
            if value is not None and not form.fullmatch(value):
                raise ValueError(f'{field} "{one_line(value, 80)}": expected {accepted}')
        for name, chosen in self.options.items():
            if name not in OPTIONS:
                near = did_you_mean(name, OPTIONS)
                raise ValueError(f'options "{one_line(name, 80)}": expected one of {", ".join(OPTIONS)}{near}')
            if not _VALUE.fullmatch(str(chosen)):
                raise ValueError(
                    f'options.{name} "{one_line(chosen, 80)}": expected true, numbers, and text of letters, '
                    "digits and _./:,;=@+*&|()[]<>!- and spaces"
                )
        return self


Launcher = Annotated[LocalLauncher | SlurmLauncher, Field(discriminator="kind")]


@lru_cache(maxsize=256)
def launcher_from(text: str | None) -> LocalLauncher | SlurmLauncher:
    """The launcher of a stored experiment, from its JSON; this machine where there is none (NULL).

    Raises pydantic.ValidationError on anything else.
    """
    if text is None:
        return LocalLauncher()
    found: LocalLauncher | SlurmLauncher = TypeAdapter(Launcher).validate_json(text)
    return found
