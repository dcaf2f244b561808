"""Networks: each names its parameters and their groups, and how it starts. Knows no task, no training."""
