"""The thread that runs the queue: slots, lease, commands, what is tried again. Starts workers, imports no torch."""
