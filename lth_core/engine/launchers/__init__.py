"""Where batches run: worker processes of this machine, or jobs of a cluster engine."""
