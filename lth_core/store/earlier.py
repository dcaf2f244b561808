"""Jobs of earlier versions, which stored the paths of an experiment's files without their hashes."""

import contextlib
import sqlite3
from pathlib import Path

from lth_core.experiment.experiment import Experiment
from lth_core.settings.base import Section
from lth_core.store.jobs import known_job
from lth_core.store.nonsense import NONSENSE


def known(connection: sqlite3.Connection, experiment: Experiment, suite: str | None) -> int | None:
    """Like `jobs.known_job`, for jobs whose files have the same paths, resolved from here."""
    wanted = _without_contents(experiment)
    if wanted == experiment:
        return None
    rows = connection.execute(
        "SELECT DISTINCT identity, experiment FROM jobs WHERE experiment NOT LIKE '%\"contents\":[[%' "
        "AND (json_extract(experiment, '$.task.train') NOT NULL OR json_extract(experiment, '$.task.checkpoint') "
        "NOT NULL OR json_extract(experiment, '$.model.checkpoint') NOT NULL) ORDER BY id DESC"
    ).fetchall()
    for row in rows:
        with contextlib.suppress(*NONSENSE):
            if _without_contents(Experiment.from_json(row["experiment"])).identity == wanted.identity:
                return known_job(connection, row["identity"], suite)
    return None


def _without_contents(experiment: Experiment) -> Experiment:
    tables = {"task": experiment.task, "model": experiment.model}
    return experiment.model_copy(update={name: _placed(table) for name, table in tables.items()})


def _placed(section: Section) -> Section:
    """With absolute paths of its files, and without their hashes."""
    if not section.places:
        return section
    named = {place: getattr(section, place) for place in section.places}
    there = {place: str(Path(name).absolute()) for place, name in named.items() if name and _is_path(place, name)}
    return section.model_copy(update={**there, "contents": ()})


def _is_path(place: str, name: str) -> bool:
    """Whether the name is a path: a checkpoint may be an id of the hub; all others are files."""
    return place != "checkpoint" or Path(name).is_dir()
