"""Whether the ticket that an experiment names fits its network, in a process of its own (it imports torch).

python -m lth_core.engine.ticket_check < {"experiment": ...}
"""

import json
import sys

from lth_core.engine.imported import ImportedTickets
from lth_core.errors import InputError
from lth_core.experiment import Experiment
from lth_core.training.build import make_model


def main() -> int:
    """Print {} or {"error": sentence}."""
    experiment = Experiment.from_json(json.dumps(json.loads(sys.stdin.read())["experiment"]))
    try:
        ImportedTickets(experiment, make_model(experiment)).check()
    except InputError as error:
        print(json.dumps({"error": str(error)}))
        return 2
    print("{}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
