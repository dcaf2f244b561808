"""From the store and the machine to a Snapshot, in the feed's thread. It draws nothing and knows no Textual."""
