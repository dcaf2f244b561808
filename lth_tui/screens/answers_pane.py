"""The answers of a job or a suite, and its table, which can be sorted."""

from typing import ClassVar

from textual.binding import BindingType

from lth_core.report.rows import Row as Fields
from lth_tui.content import answers
from lth_tui.content.answers import Result
from lth_tui.keys import key
from lth_tui.palette import DIM
from lth_tui.widgets.list_pane import ListPane


class AnswersPane(ListPane):
    """Questions with their answers, then the table of rounds and arms, or of a suite's jobs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        key("answers", "o", "sort", "sort the table", show=True),
        key("answers", "O", "reverse", "reverse the order", display="O"),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__("answers", wrap=True, id=id)
        self._result: Result | None = None
        self._order, self._reverse = 0, False
        self._table_at = 0
        self._fitted = -1

    def fill(self, result: Result | None) -> None:
        """Show a result; None while it is computed."""
        if result is not self._result or self._fitted != self.size.width:
            self._result = result
            self._render_rows()

    def _render_rows(self) -> None:
        self._fitted = self.size.width
        if self._result is None:
            self.put([[("computing the answers ...", DIM)]])
            return
        rows, self._table_at = answers.result_rows(self._result, self._fitted, self._by, reverse=self._reverse)
        self.put(rows)

    @property
    def _by(self) -> str:
        assert self._result is not None  # noqa: S101
        names = answers.orders_of(self._result)
        return names[self._order % len(names)]

    @property
    def exported(self) -> list[Fields]:
        """The rows of the table for a file, in the order of the screen; empty before there is one."""
        return [] if self._result is None else answers.export_rows(self._result, self._by, reverse=self._reverse)

    def action_sort(self) -> None:
        """By the next column: round, arm, score, difference, p, n; of a suite job, name, dense, gain."""
        self._order += 1
        self._reorder()

    def action_reverse(self) -> None:
        """The other way round."""
        self._reverse = not self._reverse
        self._reorder()

    def _reorder(self) -> None:
        if self._result is not None:
            self._render_rows()
            self.show_row(self._table_at)

    def on_resize(self) -> None:
        """Make the table anew for the width."""
        if self._result is not None:
            self._render_rows()
        super().on_resize()
