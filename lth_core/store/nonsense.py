"""The exceptions that invalid stored values raise."""

import sqlite3

from lth_core.errors import InputError

NONSENSE = (
    KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, InputError,
    sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError,
)  # fmt: skip
"""Exceptions from reading or storing an invalid record, command or specification; never from a fault of the disk."""
