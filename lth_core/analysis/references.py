"""Scores of a policy that acts at random, per environment: the zero of normalised scores. Measured, never guessed."""

from collections.abc import Mapping

RANDOM_POLICY: Mapping[str, float] = {
    # Mean return of episodes with uniformly drawn actions, gymnasium 1.4, action space and first reset seeded 0.
    "CartPole-v0": 22.3,  # 20,000 episodes, standard error 0.08
    "CartPole-v1": 22.3,  # 20,000 episodes, standard error 0.08
    "Acrobot-v1": -499.1,  # 1,000 episodes, standard error 0.4
    "Pendulum-v1": -1232.4,  # 2,000 episodes, standard error 6.5
    "LunarLander-v3": -184.1,  # 2,000 episodes, standard error 2.5
}
