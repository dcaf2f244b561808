"""Scores of a policy that acts at random, per environment: the zero of normalised scores. Measured, never guessed."""

from collections.abc import Mapping

RANDOM_POLICY: Mapping[str, float] = {
    # Mean return of episodes with uniformly drawn actions, gymnasium 1.4, action space and first reset seeded 0.
    "CartPole-v0": 22.3,  # 20,000 episodes, standard error 0.08
    "CartPole-v1": 22.3,  # 20,000 episodes, standard error 0.08
    "Acrobot-v1": -499.1,  # 1,000 episodes, standard error 0.4
    "Pendulum-v1": -1232.4,  # 2,000 episodes, standard error 6.5
    "LunarLander-v3": -184.1,  # 2,000 episodes, standard error 2.5
    "LunarLanderContinuous-v3": -214.5,  # 2,000 episodes, standard error 2.8
    "MountainCar-v0": -200.0,  # 200 episodes, all cut off by the time limit
    "MountainCarContinuous-v0": -33.2,  # 200 episodes, standard error 0.07
    "Hopper-v5": 17.9,  # 1,000 episodes, standard error 0.6
    "HalfCheetah-v5": -290.4,  # 30 episodes, standard error 16
}
