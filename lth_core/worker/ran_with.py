"""What an attempt ran with, its task's packages and downloads included."""

from typing import Any

from lth_core.experiment.experiment import Experiment
from lth_core.tasks import trained_on


def with_versions(facts: dict[str, Any], experiment: Experiment) -> dict[str, Any]:
    """The facts of `batches.provenance.attempt_facts`, with the versions that the experiment's task and model add."""
    more = trained_on.versions(experiment.task, experiment.model)
    return facts | {"packages": {**more, **facts["packages"]}}
