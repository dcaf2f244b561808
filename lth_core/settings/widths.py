"""The settings of a network with all widths multiplied by one factor, for arms with a smaller or a wider network."""

from typing import Any

from lth_core.settings.language_networks import Seq2Seq, Transformer
from lth_core.settings.networks import Model

LEAST = 2  # the minimum width: see settings.base


def scaled(settings: Model, share: float) -> Model:
    """All widths times a factor, none below the kind's minimum. Raises ValueError for kinds whose widths are fixed."""
    if settings.widths:
        return changed(settings, **{name: _scaled(getattr(settings, name), share) for name in settings.widths})
    if settings.multiplier:
        return changed(settings, **{settings.multiplier: max(1e-6, getattr(settings, settings.multiplier) * share)})
    if isinstance(settings, (Transformer, Seq2Seq)):
        return changed(settings, **_headed(settings, share), feed_forward=_part(settings.feed_forward, share))
    raise ValueError(
        f'a smaller network of model.kind "{settings.kind}" cannot be made: its checkpoint fixes its widths'
    )


def changed(settings: Model, **fields: Any) -> Model:
    """The settings with other values of these fields, validated."""
    found: Model = type(settings).model_validate({**settings.model_dump(), **fields})
    return found


def _headed(settings: Transformer | Seq2Seq, share: float) -> dict[str, int]:
    """Width and heads. The width is a multiple of twice the heads; fewer heads are used if that is too coarse."""
    wanted, most = settings.width * share, settings.heads
    step = 2 * most if wanted >= 8 * most else 2
    width = step * max(1, round(wanted / step))
    return {"width": width, "heads": max(h for h in range(1, most + 1) if width % (2 * h) == 0)}


def _scaled(width: int | tuple[int, ...], share: float) -> int | tuple[int, ...]:
    return tuple(_part(one, share) for one in width) if isinstance(width, tuple) else _part(width, share)


def _part(width: int, share: float) -> int:
    return max(LEAST, round(width * share))
