"""One self-contained HTML page: answers, figures, tables and protocol card. No scripts, no links to other sites."""

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

from lth_core.analysis.questions import NOT_ASKED, Finding, left_out
from lth_core.report.card import Card
from lth_core.report.rows import Row, Value
from lth_core.text import clean, significant

_KINDS = {
    "better": "good", "helps": "good", "leaves alone": "good", "worse": "bad", "hurts": "bad", "crashes": "bad",
    "inconclusive": "open", "larger": "good", "smaller": "good", "open": "open",
}  # fmt: skip
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem;
     border-bottom: 1px solid #ccc } h3 { font-size: 1rem; margin: 1.2rem 0 .2rem }
p.facts, figcaption { color: #555; font-size: .88rem } figure { margin: 1.2rem 0 }
figure img { max-width: 100%; height: auto } dt { font-weight: 600 } dd { margin: 0 0 .5rem 0;
     overflow-wrap: anywhere }
dl.card { display: grid; grid-template-columns: 7rem 1fr; gap: .1rem 1rem } dl.card dd { margin-bottom: .4rem }
dd .facts { display: block; color: #555; font-size: .88rem }
.answer.good { color: #005a8e } .answer.bad { color: #b34700 } .answer.open { color: #555 }
div.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .82rem; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .6rem; text-align: left; border-bottom: 1px solid #e4e4e4; white-space: nowrap }
td.number { text-align: right }
@media print { body { max-width: none } h2 { break-after: avoid } figure, tr { break-inside: avoid } }
"""


def page(title: str, facts: str, parts: Iterable[str]) -> str:
    """The whole document."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f'<body>\n<h1>{_text(title)}</h1>\n<p class="facts">{_text(facts)}</p>\n{"".join(parts)}</body></html>\n'
    )


def heading(text: str, level: int = 2) -> str:
    """A heading."""
    return f"<h{level}>{_text(text)}</h{level}>\n"


def answers(findings: Sequence[Finding], said: Iterable[str] = ()) -> str:
    """Questions with answers and their basis; at the end notes on all of them, and the questions not asked."""
    rows = []
    for finding in findings:
        if finding.word == NOT_ASKED:
            continue
        rows.append(f"<dt>{_text(finding.question)}</dt>")
        for line in finding.lines:
            facts = f'<span class="facts">{_text("; ".join(line.facts))}</span>' if line.facts else ""
            kind = _KINDS.get(line.word, "plain")
            rows.append(f'<dd><span class="answer {kind}">{_text(line.short)}</span>{facts}</dd>\n')
    last = [*said, *filter(None, [left_out(findings)])]
    return f'<dl class="answers">{"".join(rows)}</dl>\n' + "".join(
        f'<p class="facts">{_text(one)}</p>\n' for one in last
    )


def figure(svg: bytes, caption: str) -> str:
    """A drawing inside the page."""
    data = base64.b64encode(svg).decode()
    alt = _text(caption)
    return f'<figure><img alt="{alt}" src="data:image/svg+xml;base64,{data}"><figcaption>{alt}</figcaption></figure>\n'


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Rows as a table of these columns (field: heading)."""
    head = "".join(f"<th>{_text(name)}</th>" for name in columns.values())
    body = "".join("<tr>" + "".join(_cell(row.get(field)) for field in columns) + "</tr>\n" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n'


def card_list(card: Card) -> str:
    """The protocol card."""
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(text)}</dd>\n" for name, text in card)
    return f'<dl class="card">{rows}</dl>\n'


def paragraph(text: str) -> str:
    """A paragraph."""
    return f"<p>{_text(text)}</p>\n"


def _cell(value: Value) -> str:
    if value is None or value != value:
        return "<td></td>"
    if isinstance(value, (bool, str)):
        return f"<td>{_text(value)}</td>"
    return f'<td class="number">{f"{value:,}" if isinstance(value, int) else significant(value, 4)}</td>'


def _text(text: object) -> str:
    return html.escape(clean(text, 100_000))
