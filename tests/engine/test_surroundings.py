"""What is said to processes that compute before torch is loaded."""

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lth_core.batches import processes
from lth_core.batches.processes import run_apart, variables

PRODUCTS = """
import torch
def moved(tensor, by):
    memory = torch.empty(tensor.numel() + 64)
    first = -(memory.data_ptr() // 4) % 16 + by
    view = memory[first : first + tensor.numel()].view(tensor.shape)
    return view.copy_(tensor)
torch.manual_seed(0)
print(torch.get_num_threads())
for m, k, n in ((10, 128, 512), (700, 96, 384), (64, 1500, 256), (33, 77, 55)):
    for a, b in ((torch.randn(m, k), torch.randn(n, k).t()), (torch.randn(k, m).t(), torch.randn(k, n))):
        a, b = (x if x.is_contiguous() else x.t() for x in (a, b))
        found = set()
        for by in range(16):
            x, y = moved(a, by), moved(b, 5 * by % 16)
            x, y = x if x.shape == (m, k) else x.t(), y if y.shape == (k, n) else y.t()
            found.add(torch.mm(x, y).numpy().tobytes())
        print(m, k, n, len(found))
"""

LONE = """
import torch
from lth_core.models.mlp import Perceptron
from lth_core.settings.networks import MLP
torch.manual_seed(0)
model = Perceptron(MLP(hidden=(64, 64), activation="relu"), 4, 3)
flat = model.packed(torch.randn(3, sum(shape.numel() for shape in model.shapes().values())))
seen, of_heads = torch.randn(3, 1, 4), torch.randn(3, 1, 4)
def computed(rows):
    layers = model.layers(flat[rows])
    through = model.forward(layers, seen[rows])
    found = [*through, model.backward(layers, through, of_heads[rows]), model.of_input(layers, through, of_heads[rows])]
    return [one[..., : model.parameters] for one in found]
stack = computed(slice(0, 3))
for n in range(3):
    print(*[torch.equal(own[0], one[n]) for own, one in zip(computed(slice(n, n + 1)), stack, strict=True)])
"""


def _printed(code: str, threads: int) -> list[str]:
    """By a process that computes as workers do."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables(threads), capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.processes
@pytest.mark.parametrize("threads", [1, 2])
def test_a_product_has_the_same_bits_wherever_its_factors_lie(threads: int) -> None:
    first, *lines = _printed(PRODUCTS, threads)
    assert int(first) == threads and len(lines) == 8
    assert [line for line in lines if not line.endswith(" 1")] == []


@pytest.mark.processes
def test_one_observation_of_a_ticket_alone_and_its_gradients_have_the_bits_that_they_have_in_a_stack() -> None:
    assert _printed(LONE, 1) == ["True True True True True True"] * 3


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert variables(1)["MKL_CBWR"] == "AVX2"


def test_a_question_of_so_many_threads_has_the_environment_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(_: list[str], *, input: str, env: dict[str, str], **__: Any) -> SimpleNamespace:
        return SimpleNamespace(stdout=json.dumps({**json.loads(input), "same": env == variables(3)}))

    monkeypatch.setattr(processes, "subprocess", SimpleNamespace(run=here))
    assert run_apart("lth_core.worker.rescore", threads=3, of=1) == {"of": 1, "threads": 3, "same": True}
