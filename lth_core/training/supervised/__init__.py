"""Training on examples: networks of text as ordinary torch modules, one ticket at a time."""
