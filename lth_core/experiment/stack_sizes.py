"""How many tickets train together at most."""

from lth_core.experiment.tables import Tables

ON_A_GPU = 2048
"""Where nothing in an update waits for the host, a larger stack costs a GPU memory alone. A stack that does not fit is
split in halves until it does, and the job remembers the size."""


def most_tickets(experiment: Tables, kind: str) -> int:
    """The most tickets of a stack on devices of a kind: cpu or cuda."""
    if kind == "cuda" and getattr(experiment.training, "environments_on", "host") == "device":
        return ON_A_GPU
    return experiment.model.largest_stack
