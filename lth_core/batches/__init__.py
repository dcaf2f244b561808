"""Shared by the engine and its workers: batches and their folders, exit codes, starting and querying processes."""
