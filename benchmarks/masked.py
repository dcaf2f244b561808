"""Tickets of every benchmark of stacks: fresh weights, half of them pruned at random, the same in every run."""

import torch

from lth_core.training.stack import Start


def half_masked(model, tickets):
    """Starts of so many tickets, seeded 0, 1, ..."""
    generator = torch.Generator().manual_seed(0)
    starts = []
    for seed in range(tickets):
        mask = {n: torch.rand(shape, generator=generator) < 0.5 for n, shape in model.shapes().items()}
        starts.append(Start(seed, model.initialise(seed), mask, 0, 10**9))
    return starts
