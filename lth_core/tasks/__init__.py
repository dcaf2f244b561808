"""What is learnt from: environments of a whole stack, texts, sentence pairs. Knows no ticket, no network."""
