"""Environments in torch operations, for a whole stack on any device: see `environments`."""
