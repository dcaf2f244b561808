"""`python -m lth_tui.figure OUT.png`: draws curves from JSON on standard input, with matplotlib."""

import json
import math
import sys
from typing import Any

_MARKERS = {"●": "o", "○": "o", "▲": "^", "△": "^", "■": "s", "□": "s", "◆": "D", "+": "+"}
"""Those of the screen, as matplotlib has them."""
_HOLLOW = "○△□"


def main() -> None:
    """Draw one figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    data = json.load(sys.stdin)
    figure, axes = pyplot.subplots(figsize=(7.2, 4.4), dpi=200)
    for series in data["series"]:
        _draw(axes, series)
    if data["reference"] is not None and data["reference"][0] is not None:
        axes.axhline(data["reference"][0], color="#8a8a8a", linestyle=":", linewidth=1)
    if data["log_x"]:
        axes.set_xscale("log")
    if data["log_y"]:
        axes.set_yscale("log")
    if data["x_ticks"]:
        axes.set_xticks([value for value, _ in data["x_ticks"]], [label for _, label in data["x_ticks"]])
        axes.minorticks_off()
    axes.set_xlim(*data["x_range"])
    axes.set_xlabel("prunable parameters kept (%)" if data["x_name"] == "% kept" else data["x_name"])
    axes.set_ylabel(data["y_name"])
    axes.set_title(data["title"], fontsize=8)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(sys.argv[1])


def _draw(axes: Any, series: dict[str, Any]) -> None:
    x, y = _numbers(series["x"]), _numbers(series["y"])
    on, off = series["dash"]
    style: Any = (0, (on, off)) if off else "-"
    if series["faint"]:
        axes.plot(x, y, color=series["colour"], alpha=0.3, linewidth=0.8)
        return
    face = "white" if series["marker"] and series["marker"] in _HOLLOW else series["colour"]
    axes.plot(x, y, color=series["colour"], linestyle=style, label=series["label"], linewidth=1.6,
              marker=_MARKERS.get(series["marker"]), markersize=4, markerfacecolor=face)  # fmt: skip
    if series["low"] is not None and series["high"] is not None:
        low, high = _numbers(series["low"]), _numbers(series["high"])
        axes.fill_between(x, low, high, color=series["colour"], alpha=0.18, linewidth=0)


def _numbers(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


if __name__ == "__main__":
    main()
