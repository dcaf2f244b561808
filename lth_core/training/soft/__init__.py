"""Soft actor-critic: learning a policy and values of continuous actions from a replay buffer."""
