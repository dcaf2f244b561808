"""What a ticket's mask must be: its layers, its size, its random draw and the scores behind it, found again.

Shares no code with `derive`, `scope`, `criteria` and `randomness`, so that an error there is not repeated here.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from lth_core.settings.pruning import Pruning
from lth_core.tickets.derive import Family, Trained
from lth_core.tickets.mask import Mask, Weights
from lth_core.tickets.saliency import Derivative

Groups = Mapping[str, frozenset[str]]


def seed_of(seed: int, *names: str | int) -> int:
    """The seed of a named random stream of a chain."""
    spelled = "\x1f".join(map(str, (seed, *names))).encode()
    return int(hashlib.sha256(spelled).hexdigest()[:16], 16) // 2


def _stream(seed: int, *names: str | int) -> np.random.Generator:
    return np.random.default_rng(seed_of(seed, *names))


def whole(groups: Groups, pruning: Pruning) -> list[str]:
    """Names of the parameters that are never pruned: log standard deviations, and what the experiment keeps."""
    return [name for name, own in groups.items() if "log_std" in own or any(one in own for one in pruning.keep)]


def layer_densities(
    shapes: Mapping[str, Sequence[int]], groups: Groups, pruning: Pruning, round: int
) -> dict[str, float]:
    """The density of each of these layers after `round` rounds, where layers are ranked separately."""
    if pruning.scope == "erk":
        return erk(shapes, (1 - pruning.fraction) ** round)
    found = {}
    for name in shapes:
        own = [fraction for group, fraction in pruning.fractions.items() if group in groups[name]]
        found[name] = (1 - min(own, default=pruning.fraction)) ** round
    return found


def erk(shapes: Mapping[str, Sequence[int]], density: float) -> dict[str, float]:
    """The density of each layer, this much over all: min(1, e x sum of dimensions / product), e by bisection."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / sizes[name] for name, shape in shapes.items() if sizes[name]}
    wanted, low, high = density * sum(sizes.values()), 0.0, 1 / min(raw.values(), default=1.0)
    for _ in range(200):
        middle = (low + high) / 2
        if sum(min(1.0, middle * one) * sizes[name] for name, one in raw.items()) < wanted:
            low = middle
        else:
            high = middle
    return {name: min(1.0, high * raw.get(name, 1.0)) for name in shapes}


def is_share(found: int, entries: int, density: float) -> bool:
    """Whether a number of entries is this share of them, rounded either way if it is half-way between two numbers."""
    return abs(found - entries * density) <= 0.5 + 1e-9 * entries


def random_mask(family: Family, name: str, of: Mask) -> Mask:
    """The mask that an arm with a random or permuted mask draws, where the arm it controls for has the mask `of`."""
    kind, rng = family.experiment.arm_named(name).mask, _stream(family.seed, "mask", name)
    if kind == "shuffled":
        orders = {n: rng.permutation(m.numel()) for n, m in of.items()}
        return {n: torch.from_numpy(m.numpy().ravel()[orders[n]]).view(m.shape) for n, m in of.items()}
    drawn = {n: rng.random(m.numel()) for n, m in of.items()}
    if kind == "random_global":
        kept = _largest(np.concatenate([*drawn.values(), []]), sum(int(m.sum()) for m in of.values()))
        ends = np.cumsum([m.numel() for m in of.values()])[:-1]
        parts = dict(zip(of, np.split(kept, ends), strict=True))
    else:
        parts = {n: _largest(one, int(of[n].sum())) for n, one in drawn.items()}
    return {n: torch.from_numpy(parts[n]).view(m.shape) for n, m in of.items()}


def _largest(values: npt.NDArray[np.float64], k: int) -> npt.NDArray[np.bool_]:
    """Which of these numbers are the k largest; of equal ones the first."""
    if not k:
        return np.zeros(len(values), bool)
    least = np.partition(values, len(values) - k)[len(values) - k]
    kept: npt.NDArray[np.bool_] = values > least
    kept[np.flatnonzero(values == least)[: k - int(kept.sum())]] = True
    return kept


def scores(family: Family, name: str, pruned: Trained, mask: Mask) -> Weights | None:
    """By what arm `name` must rank the weights of the run that it prunes to a mask of this size.

    None if no formula for its criterion stands here.
    """
    criterion, ranked, init = family.experiment.criterion_of(name), pruned.ranked, family.dense.init or {}
    rng = _stream(family.seed, "criterion", name)
    if criterion in ("snip", "grasp"):
        return _of_loss(family, criterion, pruned)
    if criterion == "synflow":
        return _of_flow(family, pruned, mask)
    found: Weights = {}
    for n, w in ranked.items():
        match criterion:
            case "magnitude":
                found[n] = torch.where(w < 0, -w, w)
            case "inverse":
                found[n] = torch.where(w < 0, w, -w)
            case "magnitude_init":
                found[n] = torch.where(init[n] < 0, -init[n], init[n])
            case "magnitude_increase":
                found[n] = torch.where(w < 0, -w, w) - torch.where(init[n] < 0, -init[n], init[n])
            case "movement":
                found[n] = torch.maximum(w - init[n], init[n] - w)
            case "random":
                found[n] = torch.from_numpy(rng.random(w.numel())).view(w.shape)
            case _:
                return None
    return found


def _of_loss(family: Family, criterion: str, pruned: Trained) -> Weights:
    """SNIP's |w g|, GraSP's w (H g)."""
    weights = {n: w * pruned.mask[n] if n in pruned.mask else w for n, w in pruned.ranked.items()}
    kind: Derivative = "gradient" if criterion == "snip" else "hessian_gradient"
    found = family.loss_derivative(kind, weights, pruned.mask, pruned.ranked_statistics)
    products = {n: weights[n] * found[n] for n in pruned.mask}
    return {n: (one.abs() if criterion == "snip" else one).float() for n, one in products.items()}


def _of_flow(family: Family, pruned: Trained, mask: Mask) -> Weights:
    """SynFlow's hundred steps, from n living entries to m: |w| dR/d|w| is ranked, and n^(1 - k/100) m^(k/100) stay.

    An entry's score is the step in which it goes, 100 if it stays.
    """
    sizes = {n: np.abs(w.numpy()) for n, w in pruned.ranked.items()}
    alive = {n: pruned.mask[n].numpy() for n in mask}
    goes = {n: np.full(m.shape, 100.0) for n, m in mask.items()}
    together = [list(mask)] if family.experiment.pruning.scope == "global" else [[n] for n in mask]
    first = [sum(int(alive[n].sum()) for n in names) for names in together]
    last = [sum(int(mask[n].sum()) for n in names) for names in together]
    for step in range(100):
        part = (step + 1) / 100
        derivative = family.flow({n: torch.from_numpy(w * alive[n] if n in alive else w) for n, w in sizes.items()})
        for names, most, least in zip(together, first, last, strict=True):
            stay = max(least, round(most ** (1 - part) * max(least, 1) ** part)) if part < 1 and most else least
            own = np.concatenate([np.zeros(0), *((sizes[n] * derivative[n].numpy())[alive[n]] for n in names)])
            chosen = np.split(_largest(own, stay), np.cumsum([int(alive[n].sum()) for n in names])[:-1])
            for n, stays in zip(names, chosen, strict=True):
                leaving = alive[n].copy()
                leaving[alive[n]] = ~stays
                goes[n][leaving], alive[n] = step, alive[n] & ~leaving
    return {n: torch.from_numpy(one) for n, one in goes.items()}
