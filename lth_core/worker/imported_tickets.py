"""The ticket that an experiment names, fitted to its network, or the reason why it does not fit."""

import sys
from typing import Any

import torch

from lth_core.batches.processes import answer
from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.ticket_files import Arrays, Card, Place, read_card, read_tensors
from lth_core.settings.ticket import TicketSource
from lth_core.text import one_line
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Imported
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.network import Network
from lth_core.tickets.scope import prunable
from lth_core.training.families import make_model


def check_ticket(experiment: Experiment) -> None:
    """Raise InputError if an experiment names a ticket that is missing, has changed, or does not fit."""
    if experiment.ticket is not None:
        ImportedTickets(experiment, make_model(experiment)).check()


class ImportedTickets:
    """The tickets of one experiment. Raises InputError if one is missing, has changed, or does not fit."""

    def __init__(self, experiment: Experiment, network: Network) -> None:
        assert experiment.ticket is not None  # noqa: S101 the caller has looked
        self._experiment, self._network = experiment, network
        self._ticket: TicketSource = experiment.ticket
        self._place = Place(experiment.ticket.path)
        self._checked = False

    def ticket(self, round: int, seed: int, initial: Weights) -> Imported:
        """The ticket of a round and a seed; parameters not taken from it are `initial`'s, unpruned."""
        card = self._card(round, seed)
        taken = self._taken(card)
        names = prunable(self._network.groups(), self._experiment.pruning)
        shapes = self._network.shapes()
        stored = read_tensors(card, "mask")
        whole = masks.full({name: shapes[name] for name in names})
        mask: Mask = {n: torch.from_numpy(stored[n]) if n in taken and n in stored else m for n, m in whole.items()}
        weights = read_tensors(card, self._ticket.weights)
        own: Weights = {n: torch.from_numpy(weights[n].copy()) if n in taken else w for n, w in initial.items()}
        return Imported(mask, own, self._buffers(card, taken, weights))

    def _buffers(self, card: Card, taken: set[str], stored: Arrays) -> Weights:
        """Buffers of the layers that are taken; raises InputError if one has another shape here."""
        left = {name.rpartition(".")[0] for name in self._network.shapes() if name not in taken}
        found = {}
        for name, fresh in self._network.buffers().items():
            if name.rpartition(".")[0] in left or name not in stored:
                continue
            if stored[name].shape != fresh.shape:
                there, here = _size(stored[name].shape), _size(tuple(fresh.shape))
                raise InputError(f"ticket {one_line(card.folder)}: buffer {name} is {there} there and {here} here")
            found[name] = torch.from_numpy(stored[name].copy()).to(fresh.dtype)
        return found

    def check(self) -> None:
        """Raise InputError if a ticket of any round or seed does not fit; reads only their cards."""
        for round in self._ticket.rounds:
            for seed in self._experiment.seeds:
                self._taken(self._card(round, seed))

    def _card(self, round: int, seed: int) -> Card:
        if not self._checked:
            if self._place.digest(self._ticket.rounds, self._experiment.seeds) != self._ticket.digest:
                raise InputError(f"ticket {one_line(self._ticket.path)}: has changed since the experiment was read")
            self._checked = True
        return read_card(self._place.folder(round if self._place.by_round else 0, seed))

    def _taken(self, card: Card) -> set[str]:
        """The layers taken from a ticket; raises InputError that names the first one that does not fit."""
        shown, groups, ours = f"ticket {one_line(card.folder)}", self._network.groups(), self._network.shapes()
        fresh = set(self._ticket.fresh)
        for name in card.shapes:
            if name not in ours and name.split(".")[0] not in fresh:
                raise InputError(f"{shown}: has a layer {one_line(name, 80)}, which this network lacks")
        taken = {name for name, tags in groups.items() if not tags & fresh}
        for name in ours:
            if name not in taken:
                continue
            if name not in card.shapes:
                raise InputError(f"{shown}: has no layer {name}, which this network has{_way_out(groups[name])}")
            if card.shapes[name] != tuple(ours[name]):
                raise InputError(
                    f"{shown}: layer {name} is {_size(card.shapes[name])} there and {_size(ours[name])} here"
                    f"{_way_out(groups[name])}"
                )
        if not taken:
            raise InputError(f"{shown}: ticket.fresh leaves no layer of it")
        return taken


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _way_out(groups: frozenset[str]) -> str:
    named = ", ".join(f'"{group}"' for group in sorted(groups - {"weights", "biases"}))
    return f": expected tickets of the same network, or one of its groups ({named}) in ticket.fresh" if named else ""


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Check the ticket; an empty answer if it fits."""
    experiment = Experiment.from_json(message["experiment"])
    ImportedTickets(experiment, make_model(experiment)).check()
    return {}


if __name__ == "__main__":
    sys.exit(answer(act))
