"""The masks of a bundle against its records: each has the entries per layer that its worker counted. numpy only."""

from collections.abc import Iterator, Mapping

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from lth_core import bits
from lth_core.bundle.archive import Archive
from lth_core.bundle.collect import mask_place
from lth_core.experiment.plan import TrialKey
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.views import LayerView


def counted(archive: Archive, database: Database, job: int, done: Mapping[TrialKey, int]) -> Iterator[str]:
    """Sentences on masks of a job that are missing, cannot be read, or have other counts. done: the finished trials."""
    layers: dict[TrialKey, list[LayerView]] = {}
    for layer in views.layers(database, job):
        layers.setdefault(TrialKey(layer.round, layer.arm, layer.seed), []).append(layer)
    for key in done:
        name = mask_place(job, key)
        if name not in archive.sizes:
            yield f"job {job}: {key} is done, and its mask {name} is missing"
        elif said := _wrong(archive.read(name), [one for one in layers.get(key, ()) if one.prunable]):
            yield f"job {job}: {key}: its mask {said}"


def _wrong(content: bytes, layers: list[LayerView]) -> str:
    try:
        found = bits.unpack(load(content)["mask"], {layer.layer: layer.shape for layer in layers})
    except (SafetensorError, KeyError, ValueError) as error:
        return f"cannot be read: {error}"
    for layer in layers:
        kept = int(np.count_nonzero(found[layer.layer]))
        if kept != layer.kept:
            return f"keeps {kept} entries of {layer.layer}, its worker recorded {layer.kept}"
    return ""
