"""What is raised by a value that makes no sense."""

import sqlite3

from lth_core.errors import InputError

NONSENSE = (
    KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, InputError,
    sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.DataError,
)  # fmt: skip
"""What reading or storing a record, command or specification raises that makes no sense; never a fault of the disk."""
