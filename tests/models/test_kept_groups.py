"""Lists of kept groups: refused exactly where nothing of the network is left to prune."""

import itertools
from typing import Any

import pytest

from lth_core.errors import InputError
from lth_core.experiment import rules
from lth_core.experiment.experiment import Experiment
from lth_core.models import images
from lth_core.models.language import decoder, recurrent
from lth_core.models.mlp import Perceptron
from lth_core.models.module import ModuleNetwork
from lth_core.models.transformer import Transformer, grouping
from lth_core.settings.pruning import Pruning
from lth_core.tickets.network import Network
from lth_core.tickets.scope import prunable

SMALL = {"width": 8, "heads": 2, "feed_forward": 8}
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("control", {"hidden": [4]}),
    ("images", {"kind": "lenet", "hidden": [4]}),
    ("images", {"kind": "lenet", "hidden": [4, 4]}),
    ("images", {"kind": "conv_small", "width": 0.1}),
    ("images", {"kind": "resnet", "width": 0.1}),
    ("images", {"kind": "vgg", "width": 0.1}),
    ("language_model", {"kind": "lstm", "embedding": 4, "hidden": 4}),
    ("language_model", {"kind": "lstm", "embedding": 4, "hidden": 4, "tied": True}),
    ("language_model", {"kind": "transformer", **SMALL, "layers": 1}),
    ("language_model", {"kind": "transformer", **SMALL, "layers": 1, "tied": False}),
    ("translation", {"kind": "seq2seq", **SMALL, "encoder_layers": 1, "decoder_layers": 1}),
]


def network(own: Experiment) -> Network:
    """Of an experiment, without its data."""
    model: Any = own.model
    match model.kind:
        case "mlp":
            return Perceptron(model, 3, 2)
        case "lstm":
            return recurrent(model, 9)
        case "transformer":
            return decoder(model, 9)
        case "seq2seq":
            return ModuleNetwork(lambda: Transformer(model, 9, 5, 0), grouping)
        case _:
            return images.network(model, (3, 32, 32), 10)


def leaves_something(own: Experiment, keep: tuple[str, ...]) -> bool:
    """Whether an experiment with this list is accepted."""
    try:
        rules.check_kept(own.model_copy(update={"pruning": Pruning(keep=keep)}))
    except InputError as error:
        assert "leaves nothing to prune" in str(error)
        return False
    return True


@pytest.mark.parametrize(("task", "model"), KINDS)
def test_a_list_is_refused_exactly_where_no_parameter_is_in_none_of_its_groups(
    task: str, model: dict[str, Any]
) -> None:
    own = Experiment.from_fields({"name": "kept", "seeds": [0], "task": {"kind": task}, "model": model})
    groups, known = network(own).groups(), own.model.groups
    assert set().union(*groups.values()) == set(known)
    wrong = []
    for count in range(len(known) + 1):
        for keep in itertools.combinations(known, count):
            if leaves_something(own, keep) != bool(prunable(groups, Pruning(keep=keep))):
                wrong.append(keep)
    assert not wrong
