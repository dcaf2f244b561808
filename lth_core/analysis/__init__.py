"""Statistics, verdicts, answers in words, anatomy of tickets. Imports no torch and draws nothing."""
