"""How many tickets train together at most."""

from lth_core.experiment.tables import Tables

ON_A_GPU = 2048
"""Where nothing in an update waits for the host, a larger stack costs a GPU memory alone. A stack that does not fit is
split in halves until it does, and the job remembers the size."""


def most_tickets(experiment: Tables, kind: str) -> int:
    """The most tickets of a stack on devices of a kind: cpu or cuda."""
    if kind == "cuda" and experiment.steps_on_device:
        return ON_A_GPU
    return experiment.model.largest_stack


def most_in_a_cluster_job(experiment: Tables, kind: str) -> int:
    """The same for a job of a cluster; stacks whose use must be measured are not formed, as they cannot be there."""
    return 1 if experiment.model.stack_is_measured else most_tickets(experiment, kind)
