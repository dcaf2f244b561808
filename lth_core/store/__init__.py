"""Storage: the database, append-only records, checksummed tensors, TensorBoard files. Imports no torch."""
