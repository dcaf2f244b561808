"""Tickets: masks, what they are ranked by, derivation, audit. Pure functions on tensors; knows no task, no training."""
