"""What the engine and its workers both know: a batch and its folder, exit codes, how a process is started and asked."""
