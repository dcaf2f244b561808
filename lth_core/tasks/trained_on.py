"""Inputs of an attempt besides the experiment's files: first steps of environments, ROMs, downloads from the hub.

A job's attempts are compared by content; changes of versions and revisions are reported. Imports no torch.
"""

import hashlib
from collections.abc import Mapping

import numpy as np

from lth_core.errors import InputError
from lth_core.settings.networks import Model
from lth_core.settings.tasks import Task
from lth_core.tasks import contents
from lth_core.tasks.environments import Environments
from lth_core.tasks.families import family_of
from lth_core.tasks.step import Array
from lth_core.text import one_line

STEPS = 32
"""Steps included in the digest after the first observation."""
DIGITS = 5
"""Decimals of observations: the last bits may differ between processors."""


def found(task: Task, model: Model) -> dict[str, str]:
    """The digests of this machine's inputs, by name. Reads and runs what the training will use."""
    here: dict[str, str] = {}
    if family_of(task).plays:
        first = first_observations(task)
        here |= {"first observations": first} if first else {}
    here |= family_of(task).digests(task)
    if model.pretrained is not None:
        here |= contents.of_download(model.pretrained)
    return here


def compare(wanted: Mapping[str, str], here: Mapping[str, str], task: Task) -> None:
    """Raise InputError if the job was trained on something else so far; ignores inputs known on one side only."""
    for what in sorted(wanted.keys() & here.keys()):
        was, now = wanted[what], here[what]
        if was != now:
            raise InputError(
                f"{one_line(task.subject)}: {what}: differs from what this job was trained on so far "
                f"({_short(now)}, before: {_short(was)}): restore it, or train everything again with "
                "`lth headless --again`"
            )


def _short(value: str) -> str:
    return one_line(value if " " in value else value[:12], 400)


def first_observations(task: Task) -> str | None:
    """SHA-256 of what an environment shows and pays in its first steps, from a fixed seed by fixed actions.

    None if it fails or is not repeatable.
    """
    digests = {_digest(family_of(task).environments(task, [0], 1)) for _ in range(2)}
    return digests.pop() if len(digests) == 1 else None


def _digest(made: Environments) -> str | None:
    digest = hashlib.sha256(f"{made.inputs} {made.actions} {made.continuous} {made.parts} {made.limit}".encode())
    digest.update(_rounded(made.reset()))
    for number in range(STEPS):
        step = made.step(_action(made, number))
        for part in (step.observations, step.rewards, step.terminated, step.truncated):
            digest.update(_rounded(part))
    return None if made.faults() else digest.hexdigest()


def _rounded(values: Array) -> bytes:
    return (np.round(values.astype(np.float64), DIGITS) + 0.0).tobytes()  # no -0.0


def _action(made: Environments, number: int) -> Array:
    """A valid action, (1, 1), (1, 1, parts) or (1, 1, actions), without random generators, which may change."""
    if made.continuous:
        return np.array([[[(number * 7 + 11 * k) % 21 / 10 - 1 for k in range(made.actions)]]], np.float32)
    sizes = (2,) * made.actions if made.parts == "bits" else made.parts or (made.actions,)
    valid = np.ones(sum(sizes), bool) if made.valid is None else made.valid[0, 0]
    own = [np.flatnonzero(part) for part in np.split(valid, np.cumsum(sizes)[:-1])]
    chosen = np.array([part[(number * 7 + number // 3 + 5 * k) % len(part)] for k, part in enumerate(own)], np.int64)
    return chosen.reshape((1, 1) if made.parts is None else (1, 1, -1))


def versions(task: Task, model: Model) -> dict[str, str]:
    """Versions of the packages that an environment is of, and revisions of what was downloaded of the hub, by name."""
    here = family_of(task).versions(task)
    if model.pretrained is not None:
        here |= {model.pretrained: contents.hub_facts(model.pretrained).get("revision")}
    return {name: revision for name, revision in here.items() if revision}
