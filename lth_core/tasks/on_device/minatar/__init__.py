"""MinAtar in torch operations: see `environments`."""
