"""Values as strict JSON has them: what is not a number, or infinite, is null."""

import math
from typing import Any


def without_nan(value: Any) -> Any:
    """The same value, through dicts, lists and tuples, with None for every float that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(v) for v in value]
    return value
