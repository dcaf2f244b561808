"""From a batch's specification to its audited tickets, ready to be stacked."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from lth_core.batches.batch import BatchSpec, ParentSpec, TrialSpec
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.plan import TrialKey, network_of, shares_network
from lth_core.models.flow import flow_gradient
from lth_core.models.module import ModuleNetwork
from lth_core.randomness import stream_seed
from lth_core.store.tensors import Arrays, DamagedFile, load_tensors
from lth_core.store.workspace import Workspace
from lth_core.tickets import audit_shrinking
from lth_core.tickets import mask as masks
from lth_core.tickets.derive import Family, Imported, Ticket, Trained, derive, no_ticket, statistics
from lth_core.tickets.fingerprint import fingerprint
from lth_core.tickets.gradual import Narrowing
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.moving import Moving
from lth_core.tickets.network import Network
from lth_core.tickets.scope import prunable
from lth_core.tickets.wider import wider_ticket
from lth_core.training.families import living_in_tickets, smaller_network, wider_network
from lth_core.training.loss_gradients import LossGradients
from lth_core.training.run import RunningTrial
from lth_core.training.stack import Start
from lth_core.worker.imported_tickets import ImportedTickets


@dataclass(frozen=True)
class Prepared:
    """A trial, its start, its ticket, and the ticket it is compared with (both None for dense runs).

    narrowing, moving: how its mask shrinks or moves during training, if it does. made_for: the number of living
    parameters that a network of other widths was made for, if the trial has one.
    """

    trial: TrialSpec
    start: Start
    ticket: Ticket | None
    compared: Ticket | None
    narrowing: Narrowing | None = None
    moving: Moving | None = None
    made_for: int | None = None

    @property
    def settled(self) -> bool:
        """Whether it has a ticket, and ends with the mask of that."""
        return self.ticket is not None and self.narrowing is None and self.moving is None


class DamagedParent(InputError):
    """A finished trial's file does not match its checksum."""

    def __init__(self, parent: ParentSpec, error: DamagedFile) -> None:
        super().__init__(f"{parent.key}: {error}")
        self.parent = parent


class Assembler:
    """Derives the tickets of one batch; each parent is read once, and its checksum compared."""

    def __init__(self, workspace: Workspace, spec: BatchSpec, model: Network, device: str = "cpu") -> None:
        self._spec, self._model, self._device = spec, model, device
        self._experiment = spec.experiment
        self._workspace = workspace
        self._families: dict[int, Family] = {}
        self._others: dict[tuple[str, int], tuple[Network, int]] = {}
        if not self.everything():
            kept = list(self._experiment.pruning.keep)
            raise InputError(f"pruning.keep {kept}: leaves nothing of this network to prune: expected fewer groups")
        self._tickets = ImportedTickets(self._experiment, model) if self._experiment.ticket is not None else None
        self.data: set[str] = set()
        """What the parents read so far were trained on, if their files say it."""
        self.dense_drew: dict[int, dict[str, str]] = {}
        """What the dense runs read so far drew from their streams, by seed; see `Stack.drawn`."""
        self.misread: dict[int, dict[str, list[str]]] = {}
        """Parts of parents that are not as they were stored, by seed and parent."""

    def network(self, key: TrialKey) -> Network:
        """The network of a trial: the experiment's, or the smaller or wider one of an arm's round."""
        return self._model if shares_network(self._experiment, key.arm) else self._other(key)[0]

    def _other(self, key: TrialKey) -> tuple[Network, int]:
        """A network of other widths, and how many of its parameters are to live."""
        place = network_of(self._experiment, key.arm), key.round
        if place not in self._others:
            experiment, model, arm = self._experiment, self._model, self._experiment.arm_named(key.arm)
            if arm.mask == "smaller":
                self._others[place] = smaller_network(experiment, model, key.round)
            else:
                living = living_in_tickets(experiment, model, key.round)
                self._others[place] = wider_network(experiment, model, arm.width), living
        return self._others[place]

    def family(self, seed: int) -> Family:
        """The stored runs of a seed, from which its tickets are derived; raises DamagedParent if one is damaged."""
        if seed not in self._families:
            own = [parent for parent in self._spec.parents if parent.key.seed == seed]
            trained = {(parent.key.arm, parent.key.round): self._read(parent) for parent in own}
            self._families[seed] = Family(
                self._experiment, seed, self._model.groups(), trained, self._model.initialise,
                LossGradients(self._experiment, self._model, seed, self._device),
                lambda weights: flow_gradient(self._model.flow, weights), lambda round: self._imported(round, seed),
            )  # fmt: skip
        return self._families[seed]

    @lru_cache(maxsize=4)  # noqa: B019 an assembler lives as long as its batch
    def _imported(self, round: int, seed: int) -> Imported:
        if self._tickets is None:
            return no_ticket(round)
        return self._tickets.ticket(round, seed, self._own_initial(seed))

    def _read(self, parent: ParentSpec) -> Trained:
        try:
            arrays, card = load_tensors(self._workspace.inside(parent.path), parent.sha256)
        except DamagedFile as error:
            raise DamagedParent(parent, error) from error
        if card.get("data"):
            self.data.add(str(card["data"]))
        if parent.key.arm == DENSE:
            self.dense_drew[parent.key.seed] = dict(card.get("drawn", {}))
        found = unpack_trained(arrays, self._experiment, self.network(parent.key))
        if was := card.get("fingerprints"):
            self.misread.setdefault(parent.key.seed, {})[str(parent.key)] = differing(was, fingerprints_of(found))
        return found

    def prepare(self, trial: TrialSpec) -> Prepared:
        """The trial's ticket and start. Raises DamagedParent or ValueError if it cannot be derived."""
        key, experiment = trial.key, self._experiment
        first, last = experiment.span(key.arm)
        if key.arm == DENSE:
            start = Start(
                key.seed, self.initial(key.seed), self.everything(), first, last, None, self._brought(key.seed)
            )
            return Prepared(trial, start, None, None)
        family = self.family(key.seed)
        other = experiment.compared_with(key.arm)
        there = other is not None and key.round in experiment.rounds_of(other)
        compared = derive(family, TrialKey(key.round, str(other), key.seed)) if there else None
        if not shares_network(experiment, key.arm):
            ticket, made_for = self.of_other_network(key)
            start = Start(key.seed, ticket.start, ticket.mask, first, last)
            return Prepared(trial, start, ticket, compared, made_for=made_for)
        ticket = derive(family, key)
        # Moments belong to their weights: shuffled weights start without.
        arm = experiment.arm_named(key.arm)
        optimizer, moves = family.dense.optimizer if arm.weights == "rewind" else None, arm.mask if arm.moves else ""
        start = Start(key.seed, ticket.start, ticket.mask, first, last, optimizer, statistics(family, key), moves)
        narrowing = Narrowing(family.groups, experiment.pruning, key.round) if arm.mask == "gradual" else None
        moving = Moving(moves, experiment.pruning.moving, key.seed, key.arm, key.round) if moves else None
        return Prepared(trial, start, ticket, compared, narrowing, moving)

    def of_other_network(self, key: TrialKey) -> tuple[Ticket, int]:
        """The ticket of a network of other widths, and the number of parameters that live in those it is made for."""
        (network, living), weights, arm = self._other(key), self.drawn(key), self._experiment.arm_named(key.arm)
        everything = self.everything_of(network)
        if arm.mask == "smaller":
            return Ticket(everything, weights, weights, everything), living
        return wider_ticket(weights, everything, living, self._experiment.pruning, key.seed, key.arm), living

    def initial(self, seed: int) -> Weights:
        """Start weights of a seed's dense run: its initialisation, a checkpoint, or an imported ticket."""
        if self._experiment.ticket is not None and self._experiment.ticket.dense:
            return self._imported(0, seed).weights
        return self._own_initial(seed)

    def _brought(self, seed: int) -> Weights | None:
        """The buffers that a dense run takes from an imported ticket, if any."""
        dense = self._experiment.ticket is not None and self._experiment.ticket.dense
        return (self._imported(0, seed).buffers or None) if dense else None

    def buffers(self, prepared: Prepared) -> Weights:
        """The network's buffers when a trial starts: those of its weights, or a new network's."""
        fresh, given = self.network(prepared.trial.key).buffers(), prepared.start.statistics or {}
        return {name: given.get(name, buffer) for name, buffer in fresh.items()}

    def _own_initial(self, seed: int) -> Weights:
        if isinstance(self._model, ModuleNetwork) and self._model.trained is not None:
            return self._model.trained()
        return self._model.initialise(stream_seed(seed, "initialisation"))

    def everything(self) -> Mask:
        """The mask of a dense run."""
        return self.everything_of(self._model)

    @property
    def normalises(self) -> bool:
        """Whether networks receive observations normalised by running statistics of the training."""
        return bool(getattr(self._experiment.training, "normalise_observations", False))

    def drawn(self, key: TrialKey) -> Weights:
        """New weights of a trial's network."""
        return self.network(key).initialise(stream_seed(key.seed, "fresh", key.arm, key.round))

    def everything_of(self, network: Network) -> Mask:
        """The mask in which every prunable parameter is alive."""
        shapes = network.shapes()
        return masks.full({name: shapes[name] for name in prunable(network.groups(), self._experiment.pruning)})

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of prunable parameters, and of all, in the experiment's network."""
        return masks.total(self.everything()), sum(s.numel() for s in self._model.shapes().values())


def pack_trained(trial: RunningTrial, final: Weights) -> Arrays:
    """The arrays of a finished trial's file: mask (packed bits), final weights and snapshots, by parameter."""
    arrays: Arrays = {"mask": masks.pack(trial.mask)}
    for part, weights in {"final": final, **trial.snapshots}.items():
        arrays |= {f"{part}/{name}": w.numpy() for name, w in weights.items()}
    return arrays


def unpack_trained(arrays: Arrays, experiment: Experiment, model: Network) -> Trained:
    """The inverse of `pack_trained`."""
    names = prunable(model.groups(), experiment.pruning)
    shapes = model.shapes()
    places = {name: place for place, name in enumerate(shapes)}

    def part(prefix: str) -> Weights | None:
        found = {
            key.removeprefix(f"{prefix}/"): torch.from_numpy(np.asarray(array, order="C"))
            for key, array in arrays.items()
            if key.startswith(f"{prefix}/")
        }
        # The file sorts its arrays by name; restore the model's order of layers, other arrays last.
        return {n: found[n] for n in sorted(found, key=lambda name: places.get(name, len(places)))} or None

    final = part("final")
    if final is None:
        raise ValueError("a finished trial without final weights")
    entries = {key.split("/")[0].removeprefix("optimizer.") for key in arrays if key.startswith("optimizer.")}
    optimizer = {entry: part(f"optimizer.{entry}") or {} for entry in entries}
    mask = masks.unpack(arrays["mask"], {name: shapes[name] for name in names})
    ranked, statistics = part("ranked"), part("statistics")
    return Trained(
        mask, final, ranked or final, part("init"), part("rewind"), optimizer or None, statistics,
        part("rewind_statistics"), part("scored"), part("masks"), part(audit_shrinking.PART),
        part("ranked_statistics") if ranked else statistics,
    )  # fmt: skip


def fingerprints_of(trained: Trained) -> dict[str, str]:
    """Of a stored trial, by part of its file."""
    parts = {
        "mask": trained.mask, "final": trained.final, "init": trained.init, "rewind": trained.rewind,
        "statistics": trained.statistics, "rewind_statistics": trained.rewind_statistics, "scored": trained.scored,
        "masks": trained.masks, audit_shrinking.PART: trained.prunings,
        "ranked": trained.ranked, **{f"optimizer.{entry}": one for entry, one in (trained.optimizer or {}).items()},
    }  # fmt: skip
    if trained.ranked_statistics is not trained.statistics:
        parts["ranked_statistics"] = trained.ranked_statistics
    return {name: fingerprint(one) for name, one in parts.items() if one is not None}


def differing(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Parts whose fingerprints differ; without weights of their own to rank, the final ones are ranked."""
    was = {"ranked": was["final"], **was}
    return sorted(name for name in {**was, **now} if was.get(name) != now.get(name))
