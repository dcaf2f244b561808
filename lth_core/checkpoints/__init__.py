"""Published checkpoints of transformers: their files, model kinds and weights."""
