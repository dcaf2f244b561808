"""The one exception that means "the input is wrong": a sentence for the user, exit code 2, no traceback.

And what the system says when the machine, not the input, is to blame.
"""

import errno

RAN_OUT = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}
"""System errors when open files, processes or memory have run out."""


class InputError(Exception):
    """A sentence that names file, field, value and what would be accepted."""
