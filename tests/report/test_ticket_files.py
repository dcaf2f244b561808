"""Tickets as files: the round trip through plain PyTorch, and what is refused."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.utils import prune

from lth_core.models.mlp import ActorCritic
from lth_core.report.ticket_card import loading_lines, pruning_lines
from lth_core.tickets.mask import apply
from tests.engine.experiments import tiny
from tests.report.conftest import lth


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    done = lth("ticket", "export", 1, "ticket", "--arm", "winning", "--round", 2, "--seed", 1, cwd=trained)
    assert done.returncode == 0, done.stderr
    return trained / "ticket"


def code_of(card: Path, number: int) -> str:
    return card.read_text().split("```python\n")[number].split("```")[0]


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 the card's own lines
    return names


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
    ours = ActorCritic(tiny().model, 4, 2)
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
    assert (card["arm"], card["round"], card["seed"], card["metric"]) == ("winning", 2, 1, "return/train")
    assert card["score"] > 0 and card["experiment"]["name"] == "tiny"
    for name, expected in card["sha256"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == expected


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
        ((1, "--arm", "wining"), "accepted are arms dense, winning, random (dense at round 0 only)"),
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
    done = lth("ticket", "export", 1, "ticket", cwd=trained)
    assert done.returncode == 2 and "ticket: is there already" in done.stderr


def test_a_damaged_file_of_the_store_is_not_exported(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "workspace", tmp_path / "workspace")
    for path in (tmp_path / "workspace").rglob("trial-*.safetensors"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    done = lth("ticket", "export", 1, "t", cwd=tmp_path)
    assert done.returncode == 2 and "checksum" in done.stderr


def test_networks_that_are_not_all_linear_are_loaded_as_weights() -> None:
    shapes = {"conv.weight": (8, 3, 5, 5), "conv.bias": (8,), "head.weight": (2, 8), "head.bias": (2,)}
    assert loading_lines(shapes)[-1] == 'weights = load_file("trained.safetensors")'
    assert pruning_lines(shapes) == []
    assert "bias=False" in loading_lines({"head.weight": (2, 8)})[1]
