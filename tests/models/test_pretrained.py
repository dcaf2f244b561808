"""Networks as models of transformers: loaded with `from_pretrained` they compute the same; weights come back."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.models.module import ModuleNetwork
from lth_core.models.pretrained import exchange, loaded, masks_there
from lth_core.settings.networks import MLP
from lth_core.tickets.mask import Mask, Weights
from lth_core.training.families import family_of, make_model
from lth_core.worker import ticket_import
from tests.models.test_causal import checkpoint, settings  # noqa: F401 a fixture
from tests.training import test_language, test_translation


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_CACHE", str(tmp_path / "cache"))


def drawn(network: ModuleNetwork) -> Weights:
    """Weights far from any initialisation, norms and biases too."""
    generator = torch.Generator().manual_seed(4)
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in network.shapes().items()}


def module_of(network: ModuleNetwork, weights: Weights) -> nn.Module:
    module = network.module().eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(weights[name])
    return module


def round_trip(own: Experiment, folder: Path, compute: Any) -> None:
    """Save, load by `from_pretrained`, compare what both compute, and bring the weights back."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    network = make_model(own)
    assert isinstance(network, ModuleNetwork)
    weights, found = drawn(network), family_of(own).exchange(own, network)
    loaded(found, weights, {}).save_pretrained(folder / "saved")
    kind = AutoModelForSeq2SeqLM if own.task.kind == "translation" else AutoModelForCausalLM
    theirs = kind.from_pretrained(folder / "saved").eval()
    with torch.no_grad():
        a, b = compute(module_of(network, weights), theirs)
    assert a.abs().max() > 0.1
    assert torch.allclose(a, b, atol=2e-5), float((a - b).abs().max())
    there = {name: p.detach() for name, p in theirs.named_parameters(remove_duplicate=False)}
    back = found.back(there)
    assert back.keys() == weights.keys() and all(torch.equal(back[name], w) for name, w in weights.items())
    mask: Mask = {name: torch.rand(w.shape) < 0.5 for name, w in weights.items()}
    by_name = masks_there(found, mask, weights)
    learnt = {name for name in there if "embed_positions" not in name}  # Marian's sinusoids
    assert learnt == set(by_name)
    returned = found.back(by_name)
    assert all(torch.equal(returned[name], m) for name, m in mask.items())
    # The folder, with the masks beside it as `lth ticket export --transformers` writes them, becomes a ticket again.
    save_file({name: m.clone() for name, m in by_name.items()}, folder / "saved" / "mask.safetensors")
    read, whole, _ = ticket_import.read(own, network, folder / "saved")
    assert all(torch.equal(read[name], w) for name, w in {**weights, **network.buffers()}.items())
    assert all(torch.equal(whole[name], m) for name, m in mask.items())


def causal_logits(ours: nn.Module, theirs: nn.Module) -> tuple[Tensor, Tensor]:
    tokens = torch.randint(0, 9, (3, 6), generator=torch.Generator().manual_seed(0))
    features, _ = ours(tokens, ())
    output: nn.Module = ours.output  # type: ignore[assignment]
    return output(features).view(3, 6, -1), theirs(tokens).logits


def translated_logits(ours: nn.Module, theirs: nn.Module) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    source, said = (torch.randint(4, 60, (2, 7), generator=generator) for _ in range(2))
    output: nn.Module = ours.output  # type: ignore[assignment]
    return output(ours(source, said)), theirs(input_ids=source, decoder_input_ids=said).logits


@pytest.mark.parametrize("tied", [True, False])
def test_the_decoder_is_transformers_gpt_neox(tied: bool, tmp_path: Path) -> None:
    network = {"kind": "transformer", "width": 16, "layers": 2, "heads": 4, "feed_forward": 20, "tied": tied}
    round_trip(test_language.settings(tmp_path, model=network), tmp_path, causal_logits)


@pytest.mark.parametrize("implementation", ["own", "transformers"])
def test_the_encoder_decoder_is_transformers_marian(implementation: str, tmp_path: Path) -> None:
    own = test_translation.settings(tmp_path, model={"implementation": implementation})
    round_trip(own, tmp_path, translated_logits)


def test_a_checkpoint_goes_back_as_what_it_came_as(tmp_path: Path, checkpoint: Path) -> None:  # noqa: F811
    round_trip(settings(tmp_path, checkpoint), tmp_path, causal_logits)


@pytest.mark.parametrize("kind", ["marian", "t5", "untied t5"])
def test_a_translation_checkpoint_keeps_what_it_does_not_train(kind: str, tmp_path: Path) -> None:
    path = test_translation.checkpoint(tmp_path, kind)
    own = test_translation.settings(tmp_path, task={"tokenizer": "checkpoint", "checkpoint": path})
    network = test_translation._network_section({"checkpoint": path})
    own = own.model_copy(update={"model": network})
    round_trip(own, tmp_path, translated_logits)
    if kind == "untied t5":
        from transformers import AutoModelForSeq2SeqLM

        made = make_model(own)
        assert isinstance(made, ModuleNetwork) and made.trained is not None
        theirs = AutoModelForSeq2SeqLM.from_pretrained(path).eval()
        assert torch.allclose(*translated_logits(module_of(made, made.trained()), theirs), atol=2e-5)
        tagged = {name for name, tags in made.groups().items() if "output" in tags}
        assert tagged == {"model.lm_head.weight"} and "embedding" in made.groups()["model.shared.weight"]


def test_what_transformers_does_not_have_is_one_sentence(tmp_path: Path) -> None:
    own = test_language.settings(tmp_path)
    with pytest.raises(InputError, match=r'model.kind "lstm": transformers has no LSTM language models: expected'):
        family_of(own).exchange(own, make_model(own))
    with pytest.raises(InputError, match="no perceptrons"):
        exchange(MLP(), None, longest=1, vocabulary=1)
