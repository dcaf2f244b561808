"""The one exception that means "the input is wrong": a sentence for the user, exit code 2, no traceback."""


class InputError(Exception):
    """A sentence that names file, field, value and what would be accepted."""
