"""Tickets as files: the round trip through plain PyTorch, and what is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from safetensors.torch import load_file
from torch.nn.utils import prune

from lth_core.experiment.experiment import Experiment
from lth_core.models import language, transformer
from lth_core.models.convolutional import ConvolutionalActorCritic
from lth_core.models.mlp import Perceptron
from lth_core.models.module import ModuleNetwork
from lth_core.report.plain_torch import loading_lines, pruning_lines
from lth_core.report.ticket_card import write_card
from lth_core.settings.language_networks import LSTM, Seq2Seq, Transformer
from lth_core.settings.networks import MLP, Convolutional, Model
from lth_core.tickets.mask import apply
from lth_core.worker.ticket_export import write_files
from tests.command import lth, lth_apart
from tests.engine.experiments import as_toml, tiny
from tests.started import uncounted


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "ticket"
    with uncounted():
        done = lth_apart("ticket", "export", 1, folder, "--arm", "winning", "--round", 2, "--seed", 1, cwd=trained)
    assert done.returncode == 0, done.stderr
    return folder


def code_of(card: Path, number: int) -> str:
    return card.read_text().split("```python\n")[number].split("```")[0]


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 the card's own lines
    return names


@pytest.mark.processes
def test_three_plain_lines_of_the_card_load_the_trained_network(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_of(exported / "card.md", 1)
    assert len(code.strip().splitlines()) == 3
    model = run(code, exported, monkeypatch)["model"]
    x = torch.randn(5, 4)
    out = x
    for layer in model["trunk"]:
        out = torch.relu(layer(out))
    ours = Perceptron(tiny().model, 4, 2)
    weights = load_file(exported / "trained.safetensors")
    flat = torch.cat([weights[name].flatten() for name in ours.shapes()])[None]
    heads = ours.forward(ours.layers(ours.packed(flat)), x[None])[-1][0]
    assert torch.allclose(model["policy_head"](out), heads[:, :2], atol=1e-6)
    assert torch.allclose(model["value_head"](out), heads[:, 2:], atol=1e-6)


def test_start_and_trained_weights_live_where_the_mask_lives(exported: Path) -> None:
    mask = load_file(exported / "mask.safetensors")
    start, trained = load_file(exported / "start.safetensors"), load_file(exported / "trained.safetensors")
    assert start.keys() == trained.keys() == mask.keys()
    for name, alive in mask.items():
        assert alive.dtype == torch.bool
        assert not (start[name][~alive] != 0).any() and not (trained[name][~alive] != 0).any()
    kept, size = sum(int(m.sum()) for m in mask.values()), sum(m.numel() for m in mask.values())
    assert kept == round(size * 0.7**2)
    assert any(not torch.equal(start[name], trained[name]) for name in mask)


def test_the_card_loads_it_as_torchs_own_pruning_which_keeps_the_dead_dead(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = run(code_of(exported / "card.md", 2), exported, monkeypatch)["model"]
    mask, start = load_file(exported / "mask.safetensors"), load_file(exported / "start.safetensors")
    layer = model["trunk"][0]
    assert prune.is_pruned(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    layer(torch.randn(1, 4))  # torch multiplies by the mask before each pass
    assert torch.equal(layer.weight, start["trunk.0.weight"])
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()
    layer(torch.randn(1, 4))
    assert (layer.weight[~mask["trunk.0.weight"]] == 0).all()
    assert not torch.equal(layer.weight, start["trunk.0.weight"])


def test_the_card_for_programs_holds_the_score_and_the_files_checksums(exported: Path) -> None:
    card = json.loads((exported / "card.json").read_text())
    assert (card["arm"], card["round"], card["seed"], card["metric"]) == ("winning", 2, 1, "return/eval-sampled")
    assert card["score"] > 0 and card["experiment"]["name"] == "tiny"
    for name, expected in card["sha256"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == expected


def test_the_cards_say_with_which_versions_it_was_trained(exported: Path, tmp_path: Path) -> None:
    card = json.loads((exported / "card.json").read_text())
    assert ", torch " in card["workers"] and "changed" not in card
    assert f"- trained with: {card['workers']}\n" in (exported / "card.md").read_text()
    shutil.copytree(exported, tmp_path / "t")
    note = "rounds 0 with torch 2.13.0, 1-2 with torch 2.14.0"
    experiment, shapes = Experiment.from_json(json.dumps(card["experiment"])), {"trunk.0.weight": [8, 4]}
    write_card(tmp_path / "t", experiment, {**card, "changed": note}, shapes, {})
    assert f"- not all of its job ran with the same: {note}\n" in (tmp_path / "t" / "card.md").read_text()


@pytest.mark.parametrize(("arm", "round"), [("dense", 0), ("random", 1)])
def test_the_dense_network_and_controls_are_tickets_too(arm: str, round: int, trained: Path, tmp_path: Path) -> None:
    done = lth("ticket", "export", 1, tmp_path / "t", "--arm", arm, "--round", round, cwd=trained)
    assert done.returncode == 0, done.stderr
    mask, start = load_file(tmp_path / "t" / "mask.safetensors"), load_file(tmp_path / "t" / "start.safetensors")
    form = load_file(tmp_path / "t" / "prune.safetensors")
    source = {name: form[f"{name}_orig"] for name in mask}
    assert all(torch.equal(w, start[name]) for name, w in apply(mask, source).items())
    assert all(bool(m.all()) for m in mask.values()) == (arm == "dense")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((9,), "there is no job 9; there are: 1"),
        ((1, "--arm", "wining"), "expected arms dense, winning, random (dense at round 0 only)"),
        ((1, "--round", "3"), "rounds 1 to 2"),
        ((1, "--seed", "7"), "seeds 0, 1"),
    ],
)
def test_what_is_not_there_is_one_sentence(arguments: tuple[object, ...], said: str, trained: Path) -> None:
    done = lth("ticket", "export", arguments[0], "nothing", *arguments[1:], cwd=trained)
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (trained / "nothing").exists()


def test_nothing_is_written_over(exported: Path, trained: Path) -> None:
    done = lth("ticket", "export", 1, exported, cwd=trained)
    assert done.returncode == 2 and "ticket already exists" in done.stderr


def test_a_damaged_file_of_the_store_is_not_exported(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    for path in (tmp_path / "workspace").rglob("trial-*.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    done = lth("ticket", "export", 1, "t", cwd=tmp_path)
    assert done.returncode == 2 and "checksum" in done.stderr


NETWORKS: list[tuple[Any, Any]] = [
    (MLP(hidden=(5, 4)), lambda s: Perceptron(s, 3, 2, continuous=True)),
    (Convolutional(architecture="paper", width=0.1), lambda s: ConvolutionalActorCritic(s, (3, 32, 34), 4)),
    (Convolutional(architecture="nature", width=0.2), lambda s: ConvolutionalActorCritic(s, (4, 84, 84), 4)),
    (LSTM(embedding=6, hidden=5), lambda s: language.recurrent(s, 9)),
    (Transformer(width=8, heads=2, layers=2, feed_forward=6), lambda s: language.decoder(s, 9)),
    (Seq2Seq(width=8, heads=2, feed_forward=6, encoder_layers=1, decoder_layers=1),
     lambda s: ModuleNetwork(lambda: transformer.Transformer(s, 9, 9), transformer.grouping)),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "make"), NETWORKS, ids=lambda one: getattr(one, "kind", ""))
def test_every_network_of_ours_is_loaded_by_three_lines_and_as_torchs_pruning(
    settings: Any, make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make(settings)
    weights = network.initialise(0)
    mask = {name: torch.rand(w.shape) < 0.5 for name, w in weights.items()}
    write_files(tmp_path, mask, weights, apply(mask, weights), apply(mask, weights), ({}, {}))
    shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    lines = loading_lines(settings, shapes)
    assert len(lines) == 3
    model = run("\n".join(lines), tmp_path, monkeypatch)["model"]
    assert {name: p.tolist() for name, p in model.named_parameters()} == {
        name: w.tolist() for name, w in apply(mask, weights).items()
    }
    pruned = run("\n".join(pruning_lines(settings, shapes)), tmp_path, monkeypatch)["model"]
    buffers = dict(pruned.named_buffers())
    assert all(torch.equal(buffers[f"{name}_mask"].bool(), m) for name, m in mask.items())
    if isinstance(settings, LSTM):  # torch multiplies by the masks before each pass, of fused layers too
        x = torch.randn(3, 1, 6)
        assert torch.allclose(pruned["recurrent"][0](x)[0], model["recurrent"][0](x)[0])


def test_the_plain_convolutions_compute_what_ours_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Convolutional(architecture="nature", width=0.2)
    network = ConvolutionalActorCritic(settings, (4, 84, 84), 4)
    weights = network.initialise(0)
    write_files(tmp_path, {}, weights, weights, weights, ({}, {}))
    shapes = {name: tuple(shape) for name, shape in network.shapes().items()}
    model = run("\n".join(loading_lines(settings, shapes)), tmp_path, monkeypatch)["model"]
    seen = torch.randint(0, 256, (2, 4, 84, 84), dtype=torch.uint8)
    x = seen / 255
    for layer in model["convolution"]:
        x = layer(x).relu()
    x = x.flatten(1)
    for layer in model["trunk"]:
        x = layer(x).relu()
    flat = torch.cat([w.flatten() for w in weights.values()])[None]
    heads = network.forward(network.layers(network.packed(flat)), seen[None])[-1][0]
    assert torch.allclose(model["policy_head"](x), heads[:, :4], atol=1e-5)


def test_a_layer_that_is_not_known_is_loaded_as_weights() -> None:
    shapes = {"odd.left": (8, 3), "head.weight": (2, 8), "head.bias": (2,)}
    assert loading_lines(MLP(), shapes)[-1] == 'weights = load_file("trained.safetensors")'
    assert pruning_lines(MLP(), shapes) == []
    assert "bias=False" in loading_lines(MLP(), {"head.weight": (2, 8)})[1]


@pytest.mark.processes
def test_a_mask_that_shrank_and_a_smaller_network_are_exported_as_they_ended(tmp_path: Path) -> None:
    own = tiny(arms=["winning", "gmp", "small_dense"], model={"hidden": [12]}, seeds=1)
    (tmp_path / "tiny.toml").write_text(as_toml(own))
    assert lth("headless", "tiny.toml", "--device", "cpu", "--slots", 1, cwd=tmp_path).returncode == 0
    for arm in ("gmp", "small_dense"):
        done = lth("ticket", "export", 1, arm, "--arm", arm, "--round", 2, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        mask, trained = (load_file(tmp_path / arm / f"{name}.safetensors") for name in ("mask", "trained"))
        living, size = sum(int(m.sum()) for m in mask.values()), sum(w.numel() for w in trained.values())
        whole = 12 * 4 + 12 + 3 * 12 + 3
        if arm == "gmp":
            assert (living, size) == (round(whole * 0.49), whole)
            assert all((trained[name][~m] == 0).all() for name, m in mask.items())
        else:
            assert living == size and abs(size - round(whole * 0.49)) < 8


def test_a_card_says_what_its_network_computes() -> None:
    said = {
        kind: TypeAdapter(Model).validate_python({"kind": kind}).computes
        for kind in ("mlp", "conv", "lstm", "transformer", "seq2seq", "lenet", "conv_small", "resnet", "vgg")
    }
    assert len(set(said.values())) == len(said)
    assert not [kind for kind, words in said.items() if "checkpoint" in words]
    paper = TypeAdapter(Model).validate_python({"kind": "conv", "architecture": "paper"})
    assert "then the maximum of 2 x 2 (layers 0, 1, 2, 3)" in paper.computes
