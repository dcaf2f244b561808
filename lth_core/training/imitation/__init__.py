"""Imitation: a teacher's data, and stacks of tickets that clone it."""
