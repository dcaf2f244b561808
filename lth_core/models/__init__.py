"""Networks. Each defines its parameters' names, groups and initialisation. Knows nothing of tasks or training."""
