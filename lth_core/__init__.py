"""The engine of the lottery-ticket workbench. Importing it imports no torch."""

__version__ = "0.2.0"
