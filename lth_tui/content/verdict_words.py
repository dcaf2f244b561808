"""Verdicts as marks, a line, and sentences that fit. Pure functions."""

from lth_core.analysis.verdict import Summary, Verdict
from lth_core.text import one_line
from lth_tui.palette import DIM, GREEN, PLAIN, VERMILLION, ink
from lth_tui.strips import Span

_MARKS = {"better": ("▲", GREEN), "worse": ("▼", VERMILLION), "inconclusive": ("~", None)}


def short_verdict(verdicts: tuple[Verdict, ...]) -> tuple[Span, ...]:
    """`▲ random reinit ~ one_shot`: arms that the reference arm is better than, worse than, or undecided against."""
    spans: list[Span] = []
    for word, (mark, colour) in _MARKS.items():
        arms = [v.control for v in verdicts if v.word == word and v.rounds]
        if arms:
            style = DIM if colour is None else ink(colour)
            spans.append((f"{mark} {' '.join(one_line(arm, 30) for arm in arms)} ", style))
    return tuple(spans)


def verdict_line(reference: str, verdicts: tuple[Verdict, ...]) -> list[Span]:
    """`winning: better than random, reinit; undecided against one_shot`, in one row; empty before round 1."""
    spans: list[Span] = []
    for word, (_, colour) in _MARKS.items():
        arms = [one_line(v.control, 30) for v in verdicts if v.word == word and v.rounds]
        if arms:
            relation = "undecided against" if word == "inconclusive" else f"{word} than"
            lead = "; " if spans else f" {one_line(reference, 30)}: "
            spans += [(lead, DIM), (f"{relation} {', '.join(arms)}", DIM if colour is None else ink(colour))]
    return spans


def verdict_rows(summary: Summary | None, width: int | None = None) -> list[list[Span]]:
    """One sentence per control arm, marked; clauses after a semicolon are left out if they exceed `width`."""
    if summary is None:
        return [[("summarising ...", DIM)]]
    if not summary.verdicts:
        return [[("only one arm: nothing to compare", DIM)]]
    rows: list[list[Span]] = []
    for verdict in summary.verdicts:
        mark, colour = _MARKS[verdict.word] if verdict.rounds else ("·", None)
        style = DIM if colour is None else ink(colour, bold=True)
        text = one_line("; ".join(filter(None, (verdict.short, verdict.otherwise, *verdict.facts))))
        words = _fitting(text, width - 3) if width else text
        rows.append([(f" {mark} ", style), (words, PLAIN if verdict.rounds else DIM)])
    return rows


def _fitting(text: str, width: int) -> str:
    """As many clauses as fit, at least the first."""
    first, *others = text.split("; ")
    for clause in others:
        if len(first) + 2 + len(clause) > width:
            break
        first += f"; {clause}"
    return first
