"""Reads the store and the machine into a Snapshot, in the feed's thread. Does not import Textual."""
