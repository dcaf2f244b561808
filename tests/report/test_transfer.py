"""Tickets from elsewhere: exported, taken into other experiments as mask, weights or dense start, and refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune

from lth_core.cli.fields import experiment_fields
from lth_core.errors import InputError
from lth_core.experiment.file import load_experiment
from lth_core.experiment.plan import plan
from lth_core.store import views
from lth_core.store.database import Database
from lth_core.store.tensors import load_tensors
from lth_core.store.workspace import Workspace
from lth_core.tickets import mask as masks
from lth_core.training.families import make_model
from lth_core.worker import ticket_import
from lth_core.worker.imported_tickets import ImportedTickets
from tests.command import lth, lth_apart
from tests.engine.experiments import as_toml, tiny


@pytest.fixture(scope="module")
def tickets(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every round and seed of the winning arm of the tiny CartPole job, a folder each."""
    folder = tmp_path_factory.mktemp("exported") / "tickets"
    done = lth("ticket", "export", 1, folder, "--all", cwd=trained)
    assert done.returncode == 0, done.stderr
    assert f'ticket = "{folder}/round-{{round}}-seed-{{seed}}"' in done.stdout
    return folder


def written(folder: Path, ticket: str, **sections: Any) -> Path:
    """A tiny experiment's file that names a ticket."""
    lines = as_toml(tiny("target", arms=["winning"], **sections)).splitlines()
    kept = [line for line in lines if not line.startswith(("arms", "arm.", "ticket"))]
    path = folder / "target.toml"
    path.write_text("\n".join([ticket, *kept]))
    return path


EVERY = 'ticket.path = "{tickets}/round-{{round}}-seed-{{seed}}"\narms = ["winning", "imported", "transferred", "mine"]'


@pytest.mark.processes
def test_masks_and_weights_of_another_job_are_trained_round_by_round_and_audited(tickets: Path, tmp_path: Path) -> None:
    path = written(tmp_path, EVERY.format(tickets=tickets), training={"optimizer": "rmsprop"})
    path.write_text(path.read_text() + '\n[arm.mine]\nmask = "random"\nweights = "fresh"\nof = "imported"\n')
    done = lth("headless", path, "--device", "cpu", "--slots", 1, "-w", "w", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    database = Database(Workspace(tmp_path / "w").database, writer=False)
    assert views.audit_counts(database, 1)[1] == 0
    names = {a.name for a in views.audits(database, 1) if a.arm == "imported"}
    assert {"imported", "density", "start_weights"} <= names
    for trial in views.trials(database, 1):
        row = database.row("SELECT tensors, sha256 FROM trials WHERE id = ?", trial.id)
        assert row is not None and trial.state == "done"
        arrays, card = load_tensors(tmp_path / "w" / row["tensors"], row["sha256"])
        if trial.arm not in ("imported", "transferred", "mine"):
            continue
        source = tickets / f"round-{trial.round}-seed-{trial.seed}"
        theirs = load_file(source / "mask.safetensors")
        mine = masks.unpack(arrays["mask"], {name: torch.Size(shape) for name, shape in card["mask"]})
        if trial.arm == "mine":
            assert masks.counts(mine) == masks.counts(theirs) and masks.distance(mine, theirs)
        else:
            assert masks.distance(mine, theirs) == 0
    _bundled_without_its_tickets(tmp_path)


def _bundled_without_its_tickets(folder: Path) -> None:
    """What needs tickets that do not come with a bundle is not checked, and nothing is said to be wrong."""
    assert lth("bundle", 1, "-o", "bundle.zip", "--weights", "-w", "w", cwd=folder).returncode == 0
    done = lth("verify", "bundle.zip", "--trials", 1, cwd=folder)
    assert done.returncode == 0 and done.stdout.endswith("holds; no trial was trained again\n"), done.stdout
    for word in ("derived", "trained"):
        assert f"job 1: not {word} again: ticket round-1-seed-0: card.json: No such file" in done.stdout


def test_the_transferred_ticket_starts_from_the_very_weights_that_it_was_found_with(
    tickets: Path, tmp_path: Path
) -> None:
    own = load_experiment(written(tmp_path, EVERY.format(tickets=tickets).replace(', "mine"', "")))
    network = make_model(own)
    found = ImportedTickets(own, network).ticket(2, 1, network.initialise(0))
    start = load_file(tickets / "round-2-seed-1" / "start.safetensors")
    assert all(torch.equal(found.weights[name], w) for name, w in start.items())
    assert [t.key.round for t in plan(own) if t.key.arm == "imported" and t.key.seed == 0] == [1, 2]


@pytest.mark.processes
def test_one_ticket_is_trained_at_the_round_of_its_density_only(tickets: Path, tmp_path: Path) -> None:
    text = f'ticket = "{tickets}/round-2-seed-0"\narms = ["winning", "imported"]'
    own = load_experiment(written(tmp_path, text, pruning={"rounds": 5, "fraction": 0.2}))
    # 0.49 is nearest to 0.8^3 = 0.512.
    assert own.ticket is not None and own.ticket.rounds == (3,)
    assert {t.key.round for t in plan(own) if t.key.arm == "imported"} == {3}
    done = lth("headless", tmp_path / "target.toml", "--device", "cpu", "--slots", 1, "-w", "w", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "winning against imported: " in done.stdout or "imported" in done.stdout


@pytest.mark.processes
@pytest.mark.parametrize("weights", ["start", "trained"])
def test_a_dense_run_starts_from_a_tickets_weights(weights: str, tickets: Path, tmp_path: Path) -> None:
    text = f'ticket = {{ path = "{tickets}/round-1-seed-{{seed}}", dense = true, weights = "{weights}" }}'
    path = written(tmp_path, f'{text}\narms = ["winning"]', pruning={"rounds": 1})
    done = lth("headless", path, "--device", "cpu", "--slots", 1, "-w", "w", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    database = Database(Workspace(tmp_path / "w").database, writer=False)
    row = database.row("SELECT tensors, sha256 FROM trials WHERE arm = 'dense' AND seed = 1")
    assert row is not None
    arrays, _ = load_tensors(tmp_path / "w" / row["tensors"], row["sha256"])
    theirs = load_file(tickets / "round-1-seed-1" / f"{weights}.safetensors")
    assert all(torch.equal(torch.from_numpy(arrays[f"init/{name}"]), w) for name, w in theirs.items())
    # What is zero there may learn: the dense run is dense.
    assert (
        sum((arrays[f"final/{name}"] == 0).sum() for name in theirs)
        < sum(int((w == 0).sum()) for w in theirs.values()) / 2
    )


@pytest.mark.processes
def test_another_task_is_told_which_layer_does_not_fit_and_how_to_leave_it_fresh(tickets: Path, tmp_path: Path) -> None:
    text = f'ticket.path = "{tickets}/round-2-seed-{{seed}}"\narms = ["winning", "imported", "transferred"]'
    task = {"task": {"environment": "Acrobot-v1"}}
    path = written(tmp_path, text, **task)
    done = lth_apart("headless", path, "--device", "cpu", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
    assert "layer trunk.0.weight is 8 x 4 there and 8 x 6 here: expected tickets of the same network" in done.stderr
    assert '("encoder", "first_layer", "trunk") in ticket.fresh' in done.stderr
    assert not (tmp_path / "workspace").exists()
    done = lth(
        "headless",
        written(tmp_path, f'{text}\nticket.fresh = ["first_layer"]', **task),
        "--device",
        "cpu",
        cwd=tmp_path,
    )
    assert done.returncode == 2 and "layer policy_head.weight is 2 x 8 there and 3 x 8 here" in done.stderr
    fresh = f'{text}\nticket.fresh = ["first_layer", "policy_head"]'
    deep = {"model": {"hidden": [8, 8]}, **task}
    done = lth("headless", written(tmp_path, fresh, **deep), "--device", "cpu", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 2 and "has no layer trunk.1.weight, which this network has" in done.stderr
    own = load_experiment(written(tmp_path, fresh, **task))
    network = make_model(own)
    initial = network.initialise(3)
    found = ImportedTickets(own, network).ticket(2, 1, initial)
    theirs = load_file(tickets / "round-2-seed-1" / "mask.safetensors")
    for name in initial:
        if name.startswith(("trunk.0", "policy_head")):
            assert bool(found.mask[name].all()) and torch.equal(found.weights[name], initial[name])
        else:
            assert torch.equal(found.mask[name], theirs[name])
    done = lth("headless", written(tmp_path, fresh, **task), "--device", "cpu", "--slots", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    database = Database(Workspace(tmp_path / "workspace").database, writer=False)
    assert views.audit_counts(database, 1)[1] == 0


@pytest.mark.processes
def test_a_ticket_of_another_depth_names_the_layer_that_is_left_over(tickets: Path, tmp_path: Path) -> None:
    own = tiny(arms=["winning"], model={"hidden": [8, 8]}, seeds=1)
    (tmp_path / "deep.toml").write_text(as_toml(own))
    assert lth("headless", "deep.toml", "--device", "cpu", "--slots", 1, "-w", "d", cwd=tmp_path).returncode == 0
    assert lth("ticket", "export", 1, "deep", "-w", "d", cwd=tmp_path).returncode == 0
    target = load_experiment(written(tmp_path, f'ticket = "{tmp_path}/deep"\narms = ["imported"]'))
    with pytest.raises(InputError, match=r"has a layer trunk.1.weight, which this network lacks"):
        ImportedTickets(target, make_model(target)).check()


def test_the_identity_is_the_tickets_content_and_not_where_it_lies(tickets: Path, tmp_path: Path) -> None:
    text = 'ticket = "{}"\narms = ["winning", "imported"]'
    one = load_experiment(written(tmp_path, text.format(tickets / "round-1-seed-0")))
    shutil.copytree(tickets / "round-1-seed-0", tmp_path / "moved")
    moved = load_experiment(written(tmp_path, text.format(tmp_path / "moved")))
    assert one.identity == moved.identity and one.ticket != moved.ticket
    other = load_experiment(written(tmp_path, text.format(tickets / "round-2-seed-0")))
    assert other.identity != one.identity
    # What `lth show` prints is read back as the same experiment, and not with another ticket in that place.
    fields = "\n".join(f"{name} = {value}" for name, value in experiment_fields(one).items())
    (tmp_path / "again.toml").write_text(fields)
    assert load_experiment(tmp_path / "again.toml").identity == one.identity
    (tmp_path / "again.toml").write_text(fields.replace("round-1-seed-0", "round-2-seed-0"))
    with pytest.raises(InputError, match="holds a ticket with another digest"):
        load_experiment(tmp_path / "again.toml")


def test_a_ticket_that_was_changed_after_the_experiment_was_read_is_not_trained(tickets: Path, tmp_path: Path) -> None:
    shutil.copytree(tickets / "round-1-seed-0", tmp_path / "t")
    own = load_experiment(written(tmp_path, f'ticket = "{tmp_path}/t"\narms = ["winning", "imported"]'))
    network = make_model(own)
    content = bytearray((tmp_path / "t" / "mask.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "t" / "mask.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"mask.safetensors: is not the file that its card was written for"):
        ImportedTickets(own, network).ticket(1, 0, network.initialise(0))
    card = json.loads((tmp_path / "t" / "card.json").read_text())
    (tmp_path / "t" / "card.json").write_text(json.dumps({**card, "score": 1e9}))
    with pytest.raises(InputError, match="has changed since the experiment was read"):
        ImportedTickets(own, network).check()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "expected a folder of `lth ticket export` or `import`"),
        ("{", "makes no sense"),
        ("[]", "makes no sense"),
        ('{"format": "other"}', "format other: expected lth-ticket-1"),
        ("[" * 100_000, "makes no sense"),
        ('{"format": "lth-ticket-1", "shapes": {"a": [1e999]}}', "makes no sense"),
        ('{"format": "lth-ticket-1", "density": NaN, "shapes": {}, "sha256": {}}', "makes no sense"),
    ],
)
def test_cards_that_are_none_are_one_sentence(content: str | None, said: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    if content is not None:
        (tmp_path / "t" / "card.json").write_text(content)
    path = written(tmp_path, f'ticket = "{tmp_path}/t"\narms = ["winning", "imported"]')
    with pytest.raises(InputError, match=said) as error:
        load_experiment(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('arms = ["winning", "imported"]', 'arm "imported" needs a ticket: expected ticket = "FOLDER"'),
        ('ticket = "x"\narms = ["winning"]', "is not used: expected an arm with mask"),
        ('ticket = { path = "r-{round}", dense = true }\narms = ["winning"]', "accepted with a path without {round}"),
        (
            'ticket = { path = "x", fresh = ["heads"] }\narms = ["imported"]',
            'ticket.fresh "heads" is not a parameter group',
        ),
        ('ticket = "nowhere/{round}"\narms = ["imported"]', "there is no folder for any round from 1 to 2"),
        ('ticket = { path = "x", layers = 3 }\narms = ["imported"]', "ticket.layers is not a field"),
    ],
)
def test_what_a_ticket_cannot_be_is_said_before_anything_is_queued(text: str, said: str, tmp_path: Path) -> None:
    done = lth("headless", written(tmp_path, text), cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_one_ticket_has_no_round_where_densities_are_not_known_beforehand(tmp_path: Path) -> None:
    path = written(tmp_path, 'ticket = "x"\narms = ["imported"]')
    with pytest.raises(InputError, match=r"with pruning\.fractions the density of a round is not known in advance"):
        load_experiment(path, ['pruning.scope="layerwise"', "pruning.fractions.trunk=0.5"])


def plain() -> nn.Module:
    """The tiny network as a stranger would write it."""
    torch.manual_seed(7)
    return nn.ModuleDict({
        "trunk": nn.ModuleList([nn.Linear(4, 8)]), "policy_head": nn.Linear(8, 2), "value_head": nn.Linear(8, 1),
    })  # fmt: skip


def imported(source: Path, folder: Path) -> Any:
    (folder / "own.toml").write_text(as_toml(tiny()))
    return lth("ticket", "import", source, "in", "--experiment", "own.toml", cwd=folder)


@pytest.mark.processes
@pytest.mark.parametrize("form", ["torch's pruning", "masks beside it", "zeros"])
def test_a_network_that_others_pruned_becomes_a_ticket(form: str, tmp_path: Path) -> None:
    model = plain()
    layer: Any = model["trunk"][0]  # type: ignore[index]
    prune.l1_unstructured(layer, "weight", 12)
    expected = layer.weight_mask.bool()
    if form == "torch's pruning":
        save_file({n: t.contiguous() for n, t in model.state_dict().items()}, tmp_path / "model.safetensors")
    else:
        prune.remove(layer, "weight")
        with torch.no_grad():
            model["policy_head"].bias[0] = 0.0  # type: ignore[index]
        save_file(dict(model.state_dict()), tmp_path / "model.safetensors")
        if form == "masks beside it":
            save_file({"trunk.0.weight": expected}, tmp_path / "mask.safetensors")
    done = imported(tmp_path / "model.safetensors", tmp_path)
    assert done.returncode == 0, done.stderr
    mask, trained = load_file(tmp_path / "in" / "mask.safetensors"), load_file(tmp_path / "in" / "trained.safetensors")
    assert torch.equal(mask["trunk.0.weight"], expected)
    assert torch.equal(trained["trunk.0.weight"] != 0, expected)
    # A weight that happens to be zero lives, unless there is nothing else to tell by; and then that is said.
    assert bool(mask["policy_head.bias"].all()) == (form != "zeros")
    assert ("exact zeros, because there is no mask" in done.stdout) == (form == "zeros")
    path = written(tmp_path, f'ticket = "{tmp_path}/in"\narms = ["winning", "imported", "transferred"]', seeds=1)
    own = load_experiment(path)
    found = ImportedTickets(own, make_model(own)).ticket(1, 0, make_model(own).initialise(0))
    assert torch.equal(found.mask["trunk.0.weight"], expected)
    if form == "zeros":
        done = lth("headless", path, "--device", "cpu", "--slots", 1, cwd=tmp_path)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
@pytest.mark.parametrize("form", ["torch's pruning", "masks beside it", "bare masks beside it"])
def test_names_lose_what_a_wrapper_put_before_them_and_it_is_said(prefix: str, form: str, tmp_path: Path) -> None:
    experiment, layer = tiny(), f"{prefix}trunk.0.weight"
    weights = {f"{prefix}{name}": w for name, w in plain().state_dict().items()}
    mask = torch.rand(8, 4) < 0.5
    if form == "torch's pruning":
        weights |= {f"{layer}_orig": weights.pop(layer), f"{layer}_mask": mask.float()}
    else:
        save_file({layer.removeprefix(prefix if "bare" in form else ""): mask}, tmp_path / "mask.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    network = make_model(experiment)
    found, masks_found, said = ticket_import.read(experiment, network, tmp_path / "model.safetensors")
    assert found.keys() == network.shapes().keys()
    assert torch.equal(masks_found["trunk.0.weight"], mask)
    assert said.endswith(f"; names without their prefix {prefix}")


@pytest.mark.processes
def test_a_tickets_folder_is_checked_and_copied(tickets: Path, tmp_path: Path) -> None:
    done = lth_apart("ticket", "import", tickets / "round-1-seed-0", "copy", cwd=tmp_path)
    assert done.returncode == 0 and 'ticket = "copy"' in done.stdout
    assert (tmp_path / "copy" / "card.json").read_bytes() == (tickets / "round-1-seed-0" / "card.json").read_bytes()
    damaged = tmp_path / "copy" / "start.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-4])
    done = lth("ticket", "import", "copy", "other", cwd=tmp_path)
    assert done.returncode == 2 and "start.safetensors: is not the file" in done.stderr


def test_files_that_are_no_such_network_name_the_layer(tmp_path: Path) -> None:
    save_file({"trunk.0.weight": torch.zeros(8, 5)}, tmp_path / "a.safetensors")
    done = imported(tmp_path / "a.safetensors", tmp_path)
    assert (
        done.returncode == 2
        and "layer trunk.0.weight is 8 x 5 there and 8 x 4 in the experiment's network" in done.stderr
    )
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "b.safetensors").write_bytes(b"not at all")
    done = imported(tmp_path / "b.safetensors", tmp_path)
    assert done.returncode == 2 and "expected safetensors" in done.stderr
    done = lth("ticket", "import", "b.safetensors", "x", cwd=tmp_path)
    assert done.returncode == 2 and "has no card: expected --experiment FILE" in done.stderr


@pytest.mark.parametrize(
    ("layer", "shape", "said"),
    [("model.trunk.0.weight", (8, 4), "which the weights lack"), ("trunk.0.weight", (8, 1), "another shape for")],
)
def test_a_mask_that_belongs_to_other_weights_is_not_left_aside(
    layer: str, shape: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    save_file(dict(plain().state_dict()), tmp_path / "model.safetensors")
    save_file({layer: torch.ones(shape, dtype=torch.bool)}, tmp_path / "mask.safetensors")
    done = imported(tmp_path / "model.safetensors", tmp_path)
    assert done.returncode == 2 and said in done.stderr
