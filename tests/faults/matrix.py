"""The table of faults and outcomes, as a pytest plugin: one row per test marked with `fault("...")`."""

import pytest
from rich import box
from rich.console import Console
from rich.table import Table


class Matrix:
    """Collects what tests saw; prints it at the end."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[str, str, str, float]] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Remember the outcome of each test that names its fault."""
        report = (yield).get_result()
        marker = item.get_closest_marker("fault")
        if marker is None or not (report.when == "call" or report.failed or report.skipped):
            return
        words = "; ".join(value for name, value in report.user_properties if name == "outcome")
        if report.skipped:
            words = str(report.longrepr[-1]).removeprefix("Skipped: ")
        if report.failed:
            words = str(report.longreprtext).strip().splitlines()[-1]
        mark = "skipped" if report.skipped else "FAILED" if report.failed else "ok"
        case = item.name.partition("[")[2].rstrip("]")
        fault = marker.args[0] + (f" ({case})" if case else "")
        self._rows[item.nodeid] = (fault, mark, words, report.duration)

    def pytest_terminal_summary(self):
        """Print the table."""
        table = Table(box=box.SIMPLE_HEAD, title="faults and what was seen", title_justify="left", pad_edge=False)
        for heading in ("fault", "", "outcome seen", "s"):
            table.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
        for fault, mark, words, seconds in self._rows.values():
            table.add_row(fault, mark, words, f"{seconds:.0f}")
        Console(width=150).print(table, markup=False)
