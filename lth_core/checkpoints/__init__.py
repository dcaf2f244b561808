"""Checkpoints of transformers as they are published: their files, their kinds, their weights."""
