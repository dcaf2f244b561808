"""The processor's time that an attempt took, as its worker writes it into its log."""

import re
from pathlib import Path

SPENT = "%.2f CPU seconds spent on this attempt, the worker's start included"
"""For the log: of the worker and its children."""
_SPENT = re.compile(r"([0-9.]+) CPU seconds spent on this attempt")


def cpu_seconds(attempt: Path) -> float | None:
    """Of an attempt's folder; None where it does not say: it was killed, or an early version ran it.

    An attempt that was stopped while its worker started, before anything was written, counts as none.
    """
    try:
        if not any(attempt.iterdir()):
            return 0.0
        found = _SPENT.findall((attempt / "log.txt").read_text(encoding="utf-8", errors="replace"))
        return float(found[-1]) if found else None
    except (OSError, ValueError):
        return None
