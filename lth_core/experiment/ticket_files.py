"""Reading tickets that are folders: the card, the tensors against its checksums, and where an experiment finds them.

    FOLDER/card.json            what it is: shapes, checksums, the experiment it comes from
           mask.safetensors     booleans, by parameter
           start.safetensors    mask x weights that its training started from
           trained.safetensors  weights after it

Nothing in a folder is run or unpickled. numpy only.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lth_core.errors import InputError
from lth_core.text import one_line

FORMAT = "lth-ticket-1"
FILES = ("mask.safetensors", "start.safetensors", "trained.safetensors", "prune.safetensors")
OBSERVATIONS = "observations.safetensors"
"""Of a network that was trained on normalised observations: their mean and variance, and how many were seen."""
LARGEST_CARD = 20_000_000
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Card:
    """What is needed of a card. density: of its prunable parameters; shapes: of all parameters, in order; buffers:
    the shapes of what the network keeps beside them; experiment: the one that it comes from, as JSON values."""

    folder: Path
    arm: str
    round: int
    seed: int
    density: float
    shapes: Mapping[str, tuple[int, ...]]
    buffers: Mapping[str, tuple[int, ...]]
    sha256: Mapping[str, str]
    digest: str
    experiment: Mapping[str, Any]


def read_card(folder: Path) -> Card:
    """The card of a ticket's folder; InputError in a sentence where it is none."""
    path, shown = folder / "card.json", one_line(folder)
    try:
        if path.stat().st_size > LARGEST_CARD:
            raise InputError(f"ticket {shown}: card.json is larger than {LARGEST_CARD:,} bytes: no card")
        content = path.read_bytes()
        found = json.loads(content)
        if found["format"] != FORMAT:
            raise InputError(f"ticket {shown}: format {one_line(found['format'], 40)}: expected {FORMAT}")
        shapes, buffers = (
            {str(name): tuple(int(n) for n in shape) for name, shape in part.items()}
            for part in (found["shapes"], found.get("buffers", {}))
        )
        sums = {name: str(found["sha256"][name]) for name in FILES}
        if OBSERVATIONS in found["sha256"]:
            sums[OBSERVATIONS] = str(found["sha256"][OBSERVATIONS])
        density = float(found["density"])
        if not 0 <= density <= 1:
            raise ValueError("density")
        return Card(
            folder, str(found["arm"]), int(found["round"]), int(found["seed"]), density, shapes, buffers,
            sums, hashlib.sha256(content).hexdigest(), dict(found.get("experiment", {})),
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"ticket {shown}: card.json: {error.strerror}: expected a folder of `lth ticket export` or `import`"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"ticket {shown}: card.json makes no sense ({one_line(error, 80)})") from None


def read_tensors(card: Card, part: str) -> Arrays:
    """The arrays of `mask`, `start` or `trained`, by parameter and buffer; InputError where the file is not what the
    card says."""
    name = f"{part}.safetensors"
    found = _loaded(card, name)
    wanted = np.dtype(bool) if part == "mask" else np.dtype(np.float32)
    for layer, array in found.items():
        own = layer in card.buffers and part != "mask"
        said = (card.buffers if own else card.shapes).get(layer)
        if tuple(array.shape) != said or not (own or array.dtype == wanted):
            raise InputError(
                f"ticket {one_line(card.folder)}: {name}: layer {one_line(layer, 80)} is not of the shape or type that "
                "its card says"
            )
    return found


def read_observations(card: Card) -> Arrays:
    """Mean and variance that the ticket's observations were normalised by; empty if they were not."""
    return _loaded(card, OBSERVATIONS) if OBSERVATIONS in card.sha256 else {}


def _loaded(card: Card, name: str) -> Arrays:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    shown = f"ticket {one_line(card.folder)}: {name}"
    try:
        content = (card.folder / name).read_bytes()
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != card.sha256[name]:
        raise InputError(f"{shown}: is not the file that its card was written for (checksum)")
    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"{shown}: cannot be read: {one_line(error, 80)}") from None


@dataclass(frozen=True)
class Place:
    """Where an experiment's tickets are: a path in which {round} and {seed} may stand."""

    path: str

    @property
    def by_round(self) -> bool:
        """Whether each round has a ticket of its own."""
        return "{round}" in self.path

    def folder(self, round: int, seed: int) -> Path:
        """Of one ticket."""
        return Path(self.path.replace("{round}", str(round)).replace("{seed}", str(seed)))

    def found(self, seeds: Sequence[int], densities: Mapping[int, float]) -> tuple[tuple[int, ...], str]:
        """The rounds that there are tickets for, and the SHA-256 of all their cards.

        densities: of the experiment's rounds. A path without {round} is one ticket, of the round that is nearest to
        its density on a logarithmic scale. InputError where there is none, or where a seed lacks one that others have.
        """
        if not self.by_round:
            density = max(read_card(self.folder(0, seeds[0])).density, 1e-12)
            nearest = min(densities, key=lambda k: (abs(math.log(densities[k] / density)), k))
            return (nearest,), self.digest((nearest,), seeds)
        rounds = tuple(k for k in densities if self.folder(k, seeds[0]).is_dir())
        if not rounds:
            few = f"there is no folder for any round from {min(densities)} to {max(densities)}"
            raise InputError(f"ticket {one_line(self.path)}: {few}")
        return rounds, self.digest(rounds, seeds)

    def digest(self, rounds: Sequence[int], seeds: Sequence[int]) -> str:
        """The SHA-256 of the cards of these rounds and seeds; InputError where one is missing."""
        own = rounds if self.by_round else (0,)
        cards = [read_card(self.folder(round, seed)) for round in own for seed in seeds]
        return hashlib.sha256("\n".join(card.digest for card in cards).encode()).hexdigest()
