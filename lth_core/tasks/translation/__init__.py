"""Translation: sentence pairs, where they come from, how they become tokens and batches. Knows no ticket."""
