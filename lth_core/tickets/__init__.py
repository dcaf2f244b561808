"""Tickets: masks, pruning criteria, derivation, audit. Pure functions on tensors, without tasks or training."""
