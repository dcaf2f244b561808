"""From tickets and a task to trained weights and records at fixed steps. Knows no files, no engine."""
