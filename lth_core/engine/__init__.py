"""The thread that runs the queue: slots, lease, commands, retries. Starts workers; imports no torch."""
