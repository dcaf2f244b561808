"""Models. Each names its parameters, their groups, and computes from stacked parameters."""
