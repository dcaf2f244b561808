"""Turns of training on a GPU, timed by the clock: never far ahead of the device, and done when it is."""

import time

import torch

from benchmarks.language_sides import DEVICE, SMALL

TURN = 0.2 if SMALL else 1.0
"""Seconds of a turn."""


def wait():
    """Until the GPU has done all."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def turn(one, seconds=TURN):
    """Predictions per second of the clock; one() makes a step and says how many it predicted. At most 8 steps ahead."""
    wait()
    start, done, marks = time.perf_counter(), 0, []
    while time.perf_counter() - start < seconds:
        done += one()
        if DEVICE == "cuda":
            marks.append(torch.cuda.Event())
            marks[-1].record()
            if len(marks) > 8:
                marks.pop(0).synchronize()
    wait()
    return done / (time.perf_counter() - start)


def steps(ticket):
    """A call that updates a ticket and says how many predictions that took."""
    made = ticket.lesson.batch
    counted = [0]

    def counting(epoch, place):
        batch = made(epoch, place)
        counted[0] += batch.predictions
        return batch

    ticket.lesson.batch = counting

    def step():
        before = counted[0]
        ticket.update()
        return counted[0] - before

    return step
