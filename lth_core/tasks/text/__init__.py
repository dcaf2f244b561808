"""Text: its sources, tokenizers, and the token files that runs read."""
