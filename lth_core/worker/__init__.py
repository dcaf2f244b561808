"""Code of separate processes: attempts at batches, and the parts of commands that need torch."""
