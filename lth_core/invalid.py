"""Why something stored or sent cannot be read, as a part of a sentence."""

from pydantic import ValidationError

from lth_core.text import one_line


def reason(error: Exception, limit: int = 200) -> str:
    """Of a field that is not accepted, its name and what is wrong with it; of a file, what the system says."""
    if not isinstance(error, ValidationError):
        return one_line(getattr(error, "strerror", None) or error, limit)
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    return one_line(f"{place}: {first['msg']}" if place else first["msg"], limit)
