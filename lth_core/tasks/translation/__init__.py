"""Translation: sentence pairs, their sources, tokens and batches. Knows nothing of tickets."""
