"""Reinforcement learning: actor-critics of a whole stack of tickets, with environments stepped for all of them."""
