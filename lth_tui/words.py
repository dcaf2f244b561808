"""Numbers, durations and states as short words that fit a table cell. Pure functions."""

import math
import time
from collections.abc import Sequence

_GLYPHS = {
    "queued": "○", "waiting": "○", "running": "●", "paused": "‖", "done": "✓",
    "failed": "✗", "blocked": "✗", "cancelled": "–",
}  # fmt: skip
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def glyph(state: str) -> str:
    """The mark of a state of jobs and trials."""
    return _GLYPHS.get(state, "?")


def compact(value: float, digits: int = 3) -> str:
    """`61234.5` as `61.2k`; NaN as `nan`; at most `digits` significant digits."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    for size, suffix in _SUFFIXES:
        if abs(value) >= size * 0.9995:
            return _plain(value / size, digits) + suffix
    return _plain(value, digits)


def _plain(value: float, digits: int) -> str:
    if value == 0 or abs(value) < 1e-12:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4:
        return _small(value, digits)
    text = f"{value:.{max(0, digits - 1 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _small(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


def fitted(value: float, width: int) -> str:
    """Like `compact`, with as many digits as fit into `width`, at least 6."""
    whole, _, exponent = f"{value:.1e}".partition("e")
    shown = [compact(value, 3), _small(value, 2), f"{whole.replace('.', '')}e{int(exponent) - 1}", _small(value, 1)]
    return next((text for text in shown if len(text) <= width), shown[-1][:width])


def duration(seconds: float | None) -> str:
    """`41` as `0:41`, `4325` as `1:12:05`, more than two days as `3.5 d`; unknown as a dash."""
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    if whole >= 172_800:
        return f"{whole / 86_400:.1f} d"
    hours, rest = divmod(whole, 3600)
    minutes, second = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def percent(fraction: float) -> str:
    """A fraction as percent in at most three characters: `100`, `36`, `4.7`, `.83`, `.02`, `<.1`."""
    value = 100 * fraction
    if value >= 9.95:
        return f"{value:.0f}"
    if value >= 0.995:
        return f"{value:.1f}"
    if value >= 0.005:
        return f"{value:.2f}".removeprefix("0")
    return "0" if value <= 0 else "<.1"


def clock(at: float) -> str:
    """Unix seconds as local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def sparkline(shares: Sequence[float]) -> str:
    """Numbers from 0 to 1 as a row of blocks."""
    return "".join("▁▂▃▄▅▆▇█"[min(7, max(0, round(share * 7)))] for share in shares)


def bar(fraction: float, width: int) -> str:
    """A progress bar of `width` cells with eighth-block resolution."""
    eighths = round(min(1.0, max(0.0, fraction)) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (" ▏▎▍▌▋▊▉"[rest] if rest else "")).ljust(width, "·")[:width]


def calm(seconds: float | None) -> float | None:
    """Seconds left, rounded to the precision of the estimate, so that the screen changes less often."""
    if seconds is None:
        return None
    step = next((step for least, step in ((7200, 600), (600, 60), (60, 10)) if seconds >= least), 5)
    return float(round(seconds / step) * step)
