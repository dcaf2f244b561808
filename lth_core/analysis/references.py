"""Reference scores for normalised scores, measured or published, never guessed.

A random policy's score, per environment, is the zero; a human's, per Atari game, is the one of human-normalised scores.
"""

from collections.abc import Mapping

ATARI: Mapping[str, tuple[float, float]] = {
    # Random and human scores as published by Mnih et al. 2015 and Wang et al. 2016: whole games, unclipped, up to 30
    # frames of doing nothing at the start. Left out: games for which published tables differ.
    "alien": (227.8, 7127.7),
    "amidar": (5.8, 1719.5),
    "assault": (222.4, 742.0),
    "asterix": (210.0, 8503.3),
    "asteroids": (719.1, 47388.7),
    "atlantis": (12850.0, 29028.1),
    "bank_heist": (14.2, 753.1),
    "battle_zone": (2360.0, 37187.5),
    "beam_rider": (363.9, 16926.5),
    "berzerk": (123.7, 2630.4),
    "bowling": (23.1, 160.7),
    "boxing": (0.1, 12.1),
    "breakout": (1.7, 30.5),
    "centipede": (2090.9, 12017.0),
    "chopper_command": (811.0, 7387.8),
    "crazy_climber": (10780.5, 35829.4),
    "demon_attack": (152.1, 1971.0),
    "double_dunk": (-18.6, -16.4),
    "enduro": (0.0, 860.5),
    "fishing_derby": (-91.7, -38.7),
    "freeway": (0.0, 29.6),
    "frostbite": (65.2, 4334.7),
    "gopher": (257.6, 2412.5),
    "gravitar": (173.0, 3351.4),
    "hero": (1027.0, 30826.4),
    "ice_hockey": (-11.2, 0.9),
    "jamesbond": (29.0, 302.8),
    "kangaroo": (52.0, 3035.0),
    "krull": (1598.0, 2665.5),
    "kung_fu_master": (258.5, 22736.3),
    "montezuma_revenge": (0.0, 4753.3),
    "ms_pacman": (307.3, 6951.6),
    "name_this_game": (2292.3, 8049.0),
    "pong": (-20.7, 14.6),
    "private_eye": (24.9, 69571.3),
    "qbert": (163.9, 13455.0),
    "riverraid": (1338.5, 17118.0),
    "road_runner": (11.5, 7845.0),
    "robotank": (2.2, 11.9),
    "seaquest": (68.4, 42054.7),
    "space_invaders": (148.0, 1668.7),
    "star_gunner": (664.0, 10250.0),
    "tennis": (-23.8, -8.3),
    "time_pilot": (3568.0, 5229.2),
    "tutankham": (11.4, 167.6),
    "up_n_down": (533.4, 11693.2),
    "venture": (0.0, 1187.5),
    "wizard_of_wor": (563.5, 4756.5),
    "zaxxon": (32.5, 9173.3),
}

RANDOM_POLICY: Mapping[str, float] = {
    # Mean return of episodes with uniformly drawn actions, gymnasium 1.4, action space and first reset seeded 0.
    "CartPole-v0": 22.3,  # 20,000 episodes, standard error 0.08
    "CartPole-v1": 22.3,  # 20,000 episodes, standard error 0.08
    "Acrobot-v1": -499.1,  # 1,000 episodes, standard error 0.4
    "Pendulum-v1": -1233.6,  # 5,000 episodes, standard error 4.1
    "LunarLander-v3": -183.2,  # 5,000 episodes, standard error 1.5
    "LunarLanderContinuous-v3": -214.5,  # 2,000 episodes, standard error 2.8
    "MountainCar-v0": -200.0,  # 200 episodes, all cut off by the time limit
    "MountainCarContinuous-v0": -33.2,  # 200 episodes, standard error 0.07
    "Hopper-v5": 17.9,  # 1,000 episodes, standard error 0.6
    "HalfCheetah-v5": -290.4,  # 30 episodes, standard error 16
    # Our own environments with the default fields of the task; 6,400 episodes (640 of freeway), a quarter of them with
    # minimal actions; standard errors are 0.01 to 0.05, 0.03 and 0.08 of space_invaders.
    "MinAtar asterix": 0.50,
    "MinAtar asterix, minimal actions": 0.52,
    "MinAtar breakout": 0.50,
    "MinAtar breakout, minimal actions": 0.41,
    "MinAtar freeway": 0.14,
    "MinAtar freeway, minimal actions": 0.45,
    "MinAtar seaquest": 0.10,
    "MinAtar seaquest, minimal actions": 0.09,
    "MinAtar space_invaders": 2.87,
    "MinAtar space_invaders, minimal actions": 4.15,
    **{game: random for game, (random, _) in ATARI.items()},
}
