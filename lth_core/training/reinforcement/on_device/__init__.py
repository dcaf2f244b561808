"""Stacks that act, step and learn on their device without waiting for the host: see `stack`."""
