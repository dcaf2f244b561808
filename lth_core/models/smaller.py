"""A smaller network of the same kind with about a given number of parameters: all widths are scaled by one factor."""

import itertools
from collections.abc import Callable, Iterator

from lth_core.settings.image_networks import LeNet
from lth_core.settings.language_networks import LSTM, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Model
from lth_core.settings.widths import LEAST, changed, scaled

Count = Callable[[Model], int]


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
        yield changed(less, **mixed)
    yield from (less, more)
    if isinstance(less, MLP | LeNet) and isinstance(more, MLP | LeNet):
        for cut in range(1, len(less.hidden)):
            yield changed(less, hidden=(*more.hidden[:cut], *less.hidden[cut:]))


def _mended(settings: Model, parameters: int, count: Count) -> Iterator[Model]:
    """Transformers' widths come in large steps, so the inner width compensates, up to four times the width."""
    if not isinstance(settings, (Transformer, Seq2Seq)):
        return
    least, most = max(LEAST, settings.feed_forward // 4), 4 * settings.feed_forward
    one, two = (count(changed(settings, feed_forward=inner)) for inner in (least, least + 1))
    wanted = least + round((parameters - one) / (two - one))
    yield changed(settings, feed_forward=min(max(wanted, least), most))
