"""A row of a report's table: fields by name, with plain values."""

from lth_core.analysis.statistics import Interval

Value = str | int | float | bool | None
Row = dict[str, Value]


def interval_fields(name: str, estimate: Interval | None) -> Row:
    """An estimate as three fields, `NAME`, `NAME_low` and `NAME_high`."""
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
