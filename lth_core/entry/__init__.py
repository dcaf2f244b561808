"""Start and end of every command: signals, standard streams, one sentence for an error."""
