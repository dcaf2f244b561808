"""Statistics, verdicts, answers in words, anatomy of tickets. Imports no torch, draws nothing."""
