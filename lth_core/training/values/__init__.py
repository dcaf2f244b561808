"""Learning the values of actions from a replay buffer."""
