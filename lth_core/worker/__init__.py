"""What runs in processes of its own: the attempt at a batch, and what needs torch for a command."""
