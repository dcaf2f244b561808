"""The networks of other widths that some arms of an experiment have."""

from contextlib import suppress

from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import network_of
from lth_core.tickets.network import Network
from lth_core.training.families import smaller_network, wider_network


def other_networks(experiment: Experiment, model: Network) -> dict[str, dict[int, Network]]:
    """By `plan.network_of` and round: of wider networks, which are the same in all rounds, the first round; of those as
    small as tickets, the first and the last. One that cannot be made is left out."""
    found: dict[str, dict[int, Network]] = {}
    for arm in experiment.arms:
        definition, name = experiment.arm_named(arm), network_of(experiment, arm)
        if definition.shares_network or name in found:
            continue
        found[name] = {}
        if definition.mask == "wider":
            found[name][1] = wider_network(experiment, model, definition.width)
            continue
        for round in sorted({1, experiment.pruning.rounds}):
            with suppress(ValueError):  # there is none so small
                found[name][round] = smaller_network(experiment, model, round)[0]
    return {name: networks for name, networks in found.items() if networks}
