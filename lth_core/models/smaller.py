"""A smaller network of the same kind with about a given number of parameters: all widths are scaled by one factor."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from lth_core.settings.image_networks import LeNet
from lth_core.settings.language_networks import LSTM, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Model

Count = Callable[[Model], int]
_LEAST = 2  # the minimum width: see settings.base


def smaller(settings: Model, parameters: int, count: Count) -> Model:
    """The settings with all widths scaled by one factor, then adjusted by single units to come closest to the target.

    count: returns the number of parameters for given settings. Returns the narrowest network of the kind if the target
    is below it. Raises ValueError for kinds whose widths are fixed.
    """
    low, high = 0.0, 1.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if count(scaled(settings, middle)) <= parameters else (low, middle)
    found = [*_between(scaled(settings, low), scaled(settings, high))]
    found += [mended for one in found for mended in _mended(one, parameters, count)]
    return min(found, key=lambda one: (abs(count(one) - parameters), str(one)))


def scaled(settings: Model, share: float) -> Model:
    """All widths times a factor, none below the kind's minimum."""
    if settings.widths:
        return _with(settings, **{name: _scaled(getattr(settings, name), share) for name in settings.widths})
    if settings.multiplier:
        return _with(settings, **{settings.multiplier: max(1e-6, getattr(settings, settings.multiplier) * share)})
    if isinstance(settings, (Transformer, Seq2Seq)):
        return _with(settings, **_headed(settings, share), feed_forward=_part(settings.feed_forward, share))
    raise ValueError(
        f'a smaller network of model.kind "{settings.kind}" cannot be made: its checkpoint fixes its widths'
    )


def _headed(settings: Transformer | Seq2Seq, share: float) -> dict[str, int]:
    """Width and heads. The width is a multiple of twice the heads; fewer heads are used if that is too coarse."""
    wanted, most = settings.width * share, settings.heads
    step = 2 * most if wanted >= 8 * most else 2
    width = step * max(1, round(wanted / step))
    return {"width": width, "heads": max(h for h in range(1, most + 1) if width % (2 * h) == 0)}


def _scaled(width: int | tuple[int, ...], share: float) -> int | tuple[int, ...]:
    return tuple(_part(one, share) for one in width) if isinstance(width, tuple) else _part(width, share)


def _part(width: int, share: float) -> int:
    return max(_LEAST, round(width * share))


def _with(settings: Model, **fields: Any) -> Model:
    found: Model = type(settings).model_validate({**settings.model_dump(), **fields})
    return found


def _between(less: Model, more: Model) -> Iterator[Model]:
    """Two neighbouring settings and all mixtures of their widths."""
    own, other = less.model_dump(), more.model_dump()
    differ = [name for name in own if own[name] != other[name]]
    if isinstance(less, LSTM) and less.tied:
        differ = []
    for chosen in itertools.product((own, other), repeat=len(differ)):
        mixed = {name: values[name] for name, values in zip(differ, chosen, strict=True)}
        if "heads" in mixed:  # tied to the width
            mixed["heads"] = (own if mixed["width"] == own["width"] else other)["heads"]
        yield _with(less, **mixed)
    yield from (less, more)
    if isinstance(less, MLP | LeNet) and isinstance(more, MLP | LeNet):
        for cut in range(1, len(less.hidden)):
            yield _with(less, hidden=(*more.hidden[:cut], *less.hidden[cut:]))


def _mended(settings: Model, parameters: int, count: Count) -> Iterator[Model]:
    """Transformers' widths come in large steps, so the inner width compensates, up to four times the width."""
    if not isinstance(settings, (Transformer, Seq2Seq)):
        return
    least, most = max(_LEAST, settings.feed_forward // 4), 4 * settings.feed_forward
    one, two = (count(_with(settings, feed_forward=inner)) for inner in (least, least + 1))
    wanted = least + round((parameters - one) / (two - one))
    yield _with(settings, feed_forward=min(max(wanted, least), most))
