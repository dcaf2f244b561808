"""Verdicts in a few words, a line, and sentences that fit. Pure functions."""

from lth_core.analysis.verdict import Summary, Verdict
from lth_core.text import one_line
from lth_tui.palette import DIM, GREEN, PLAIN, VERMILLION, ink
from lth_tui.strips import Span

_MARKS = {"better": (">", GREEN), "worse": ("<", VERMILLION), "inconclusive": ("?", None)}
"""How the arm named first stands to those after the mark: better than, worse than, undecided against."""


def short_verdict(verdicts: tuple[Verdict, ...]) -> tuple[Span, ...]:
    """`winning > random, reinit · ? one_shot`: better than random and reinit, undecided against one_shot."""
    spans: list[Span] = []
    for word, (mark, colour) in _MARKS.items():
        arms = [v.control for v in verdicts if v.word == word and v.rounds]
        if arms:
            style = DIM if colour is None else ink(colour)
            lead = " · " if spans else f"{one_line(verdicts[0].reference, 30)} "
            named = ", ".join(one_line(arm, 30) for arm in arms)
            spans += [(lead, DIM if spans else PLAIN), (f"{mark} {named}", style)]
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
    """A sentence per control arm in the colour of its answer, with the clauses that fit; without `width` all follow."""
    if summary is None:
        return [[("summarising ...", DIM)]]
    if not summary.verdicts:
        return [[("only one arm: nothing to compare", DIM)]]
    rows: list[list[Span]] = []
    for verdict in summary.verdicts:
        _, colour = _MARKS[verdict.word]
        text = one_line("; ".join(filter(None, (verdict.short, verdict.otherwise, *verdict.facts))))
        style = DIM if not verdict.rounds else PLAIN if colour is None else ink(colour)
        if width is None:
            short, *facts = text.split("; ")
            rows.append([(" ", PLAIN), (short, style)])
            rows += [[("   ", PLAIN), ("; ".join(facts), DIM)]] if facts else []
            continue
        short, rest = verdict.short, _fitting(text, width - 1)[len(verdict.short) :]
        rows.append([(f" {short}", style), (rest, PLAIN if verdict.rounds else DIM)])
    return rows


def _fitting(text: str, width: int) -> str:
    """As many clauses as fit, at least the first."""
    first, *others = text.split("; ")
    for clause in others:
        if len(first) + 2 + len(clause) > width:
            break
        first += f"; {clause}"
    return first
