"""Where the commands begin and end: their first moment, their streams, one sentence for what is wrong."""
