"""Tasks: environments for a stack of tickets, texts, sentence pairs. Knows nothing of tickets or networks."""
