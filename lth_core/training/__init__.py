"""Trains tickets on a task and records metrics at fixed steps. Knows nothing of files or the engine."""
