"""One game of a stored ticket, as pictures, in a process of its own (it imports torch): what `lth play` runs.

python -m lth_core.engine.play WORKSPACE FILE < {"spec": ..., "game": 0, "most": 1000}
"""

import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import torch
from gymnasium.error import DependencyNotInstalled

from lth_core.engine.assemble import Assembler, DamagedParent
from lth_core.engine.batch import BatchSpec
from lth_core.errors import InputError
from lth_core.models.flat import flatten
from lth_core.models.mlp import ActorCritic
from lth_core.randomness import stream_seed
from lth_core.store.tensors import save_tensors
from lth_core.store.workspace import Workspace
from lth_core.tasks import spaces
from lth_core.training.build import make_model
from lth_core.training.policy import policy


def main() -> int:
    """Write `frames` (n, height, width, 3) uint8 to FILE; print return, length and frames a second of the game."""
    workspace, file = Workspace(Path(sys.argv[1])), Path(sys.argv[2])
    message = json.loads(sys.stdin.read())
    spec = BatchSpec.from_json(json.dumps(message["spec"]))
    try:
        frames, total, rate = play(workspace, spec, message["game"], message["most"])
    except (InputError, DamagedParent) as error:
        print(json.dumps({"error": str(error)}))
        return 2
    save_tensors(file, {"frames": frames}, {})
    print(json.dumps({"return": total, "steps": len(frames) - 1, "rate": rate}))
    return 0


@torch.no_grad()
def play(workspace: Workspace, spec: BatchSpec, game: int, most: int) -> tuple[spaces.Array, float, float]:
    """Pictures, return and frames a second of a game with greedy actions; the game's number is its seed's."""
    experiment, (trial,) = spec.experiment, spec.trials
    if experiment.task.kind != "control" or getattr(experiment.training, "normalise_observations", False):
        raise InputError("play: accepted are control tasks without normalise_observations, which is not stored")
    model = make_model(experiment)
    assert isinstance(model, ActorCritic)  # noqa: S101 a control task's
    weights = Assembler(workspace, spec, model).family(trial.key.seed).trained[trial.key.arm, trial.key.round].final
    flat = model.packed(flatten(weights, model.shapes())[None])
    layers, choose = model.layers(flat), policy(model.log_std(flat))
    name = experiment.task.environment
    try:
        environment = gymnasium.make(name, render_mode="rgb_array")
        seen, _ = environment.reset(seed=stream_seed(trial.key.seed, "play", game) % 2**31)
        frames = [np.asarray(environment.render(), np.uint8)]
    except (DependencyNotInstalled, gymnasium.error.Error) as error:
        raise InputError(f'task.environment "{name}" cannot be drawn: {error}') from None
    observe = spaces.observations(name, environment.observation_space)
    act = spaces.actions(name, environment.action_space)
    total, over = 0.0, False
    while not over and len(frames) <= most:
        vector = torch.from_numpy(observe.flat(seen))[None, None]
        heads = model.forward(layers, vector)[-1].numpy()[..., :-1]
        action = act.translated(choose.greedy(heads))[0, 0]
        seen, reward, terminated, truncated, _ = environment.step(action if act.continuous else int(action))
        total, over = total + float(reward), bool(terminated or truncated)
        frames.append(np.asarray(environment.render(), np.uint8))
    rate = float(environment.metadata.get("render_fps", 30))
    environment.close()
    return np.stack(frames), total, rate


if __name__ == "__main__":
    sys.exit(main())
