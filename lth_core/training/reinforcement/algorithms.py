"""All algorithms, each by its settings."""

from typing import Any

from lth_core.settings.reinforcement import ActorCriticTraining
from lth_core.training.reinforcement.a2c import AdvantageActorCritic
from lth_core.training.reinforcement.algorithm import Algorithm
from lth_core.training.reinforcement.ppo import ProximalPolicyOptimisation

ALGORITHMS: tuple[type[Algorithm[Any]], ...] = (AdvantageActorCritic, ProximalPolicyOptimisation)


def algorithm(settings: ActorCriticTraining) -> Algorithm[Any]:
    """The algorithm of these settings."""
    return {one.kind: one for one in ALGORITHMS}[type(settings)](settings)
