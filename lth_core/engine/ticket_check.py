"""Whether the ticket that an experiment names fits its network, in a process of its own (it imports torch).

python -m lth_core.engine.ticket_check < {"experiment": ...}
"""

import sys
from typing import Any

from lth_core.engine.apart import answer
from lth_core.engine.imported import ImportedTickets
from lth_core.experiment import Experiment
from lth_core.training.build import make_model


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Nothing, where the ticket fits."""
    experiment = Experiment.from_json(message["experiment"])
    ImportedTickets(experiment, make_model(experiment)).check()
    return {}


if __name__ == "__main__":
    sys.exit(answer(act))
