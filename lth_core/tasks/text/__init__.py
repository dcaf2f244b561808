"""Text: where it comes from, how it is cut into tokens, and the files of tokens that runs read."""
