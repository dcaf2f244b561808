"""One game of a stored ticket, as pictures, in a process of its own (it imports torch): what `lth play` runs.

python -m lth_core.worker.play WORKSPACE FILE < {"spec": ..., "game": 0, "most": 1000}
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lth_core.batches.batch import BatchSpec
from lth_core.batches.processes import answer
from lth_core.models.actor_critic import preferences
from lth_core.models.flat import flatten
from lth_core.randomness import stream_seed
from lth_core.store.tensors import save_tensors
from lth_core.store.workspace import Workspace
from lth_core.tasks.families import family_of
from lth_core.tickets.mask import Weights
from lth_core.training.families import make_model
from lth_core.training.reinforcement.normalise import Observations
from lth_core.training.reinforcement.policy import policy
from lth_core.training.soft.squashed import Squashed
from lth_core.worker.assemble import Assembler
from lth_core.worker.solutions import solution


def act(message: dict[str, Any]) -> dict[str, Any]:
    """Write `frames` (n, height, width, 3) uint8 to FILE; answer return, length and frames per second of the game."""
    workspace, file = Workspace(Path(sys.argv[1])), Path(sys.argv[2])
    frames, total, rate = play(workspace, BatchSpec.from_json(message["spec"]), message["game"], message["most"])
    save_tensors(file, {"frames": frames}, {})
    return {"return": total, "steps": len(frames) - 1, "rate": rate}


@torch.no_grad()
def play(workspace: Workspace, spec: BatchSpec, game: int, most: int) -> tuple[npt.NDArray[Any], float, float]:
    """Pictures, return and frames per second of a game with greedy actions; game: selects its seed."""
    experiment, (trial,) = spec.experiment, spec.trials
    key = trial.key
    film = family_of(experiment.task).watched(experiment.task, stream_seed(key.seed, "play", game) % 2**31)
    assembler = Assembler(workspace, spec, make_model(experiment))
    own = solution(assembler, key)
    model: Any = assembler.network(key)
    flat = model.packed(flatten(own.weights, model.shapes())[None])
    layers = model.layers(flat)
    squashes = model.heads == "squashed"
    choose = Squashed(model.actions) if squashes else policy(model.log_std(flat), model.parts, model.actions)
    frames, total, over = [film.picture()], 0.0, False
    while not over and len(frames) <= most:
        seen = torch.from_numpy(normalised(film.seen(), own.statistics))
        heads = preferences(model.heads, model.forward(layers, seen)[-1].numpy())
        reward, over = film.step(choose.greedy(heads, film.valid))
        total += reward
        frames.append(film.picture())
    rate = film.rate
    film.close()
    return np.stack(frames), total, rate


def normalised(seen: npt.NDArray[Any], statistics: Weights) -> npt.NDArray[Any]:
    """Observations (1, 1, ...), normalised as in training."""
    if not statistics:
        return seen
    known = Observations(1, seen.shape[-1])
    known.mean, known.variance = (statistics[name].numpy()[None] for name in ("mean", "variance"))
    return known.normalised(seen)


if __name__ == "__main__":
    sys.exit(answer(act))
