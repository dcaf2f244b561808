"""`lth ticket`: exports tickets as files that do not need this program, and imports other programs' files."""

from pathlib import Path

from lth_core.batches.processes import run_apart
from lth_core.cli.console import make_console
from lth_core.cli.subject import find_job
from lth_core.engine.stored import stored_spec
from lth_core.errors import InputError
from lth_core.experiment.arms import DENSE
from lth_core.experiment.file import load_experiment
from lth_core.experiment.plan import TrialKey
from lth_core.experiment.ticket_files import read_card, read_tensors
from lth_core.report.plain_torch import loading_lines
from lth_core.report.table_files import make_folder
from lth_core.report.ticket_card import experiment_lines, write_card
from lth_core.store import attempts, views
from lth_core.store.database import Database
from lth_core.store.views import JobView
from lth_core.text import one_line, plural


def export(
    subject: str, arm: str, round: int, seed: int, out: Path, folder: Path, *, all_: bool, transformers: bool
) -> None:  # fmt: skip
    """Write mask, weights and card of one finished trial, or of all rounds and seeds of its arm."""
    workspace, database, job = find_job(folder, subject)
    number = job.id
    key = TrialKey(round, arm, seed)
    keys = _finished(database, job, arm) if all_ else [key]
    spec = stored_spec(database, number, job.experiment, keys)
    _new_folder(out)
    folders = [out / f"round-{k.round}-seed-{k.seed}" if all_ else out for k in keys]
    answer = run_apart(
        "lth_core.worker.ticket_export", str(workspace.folder), spec=spec.to_json(),
        folders=[str(one) for one in folders], transformers=transformers,
    )  # fmt: skip
    trials, runs = {t.key: t for t in views.trials(database, number)}, attempts.runs(database, number)
    ran = {"workers": attempts.said(runs), "changed": attempts.changes(runs)} if runs else {}
    for own, place, shapes, buffers in zip(keys, folders, answer["shapes"], answer["buffers"], strict=True):
        facts = {"job": job.name, "arm": own.arm, "round": own.round, "seed": own.seed} | {
            name: getattr(trials[own], name) for name in ("density", "model_density", "score")
        }
        facts |= {name: sentence for name, sentence in ran.items() if sentence}
        write_card(place, job.experiment, facts, shapes, buffers)
    if all_:
        _say(f"{out}: {plural(len(keys), 'ticket')} of {job.name}, {arm}")
        _say(f'    ticket = "{out}/round-{{round}}-seed-{{seed}}"')
        return
    _say(f"{out}: {job.name}, {key}")
    state = answer["shapes"][0] | answer["buffers"][0]
    for line in loading_lines(job.experiment.model, state, f"{out}/trained.safetensors"):
        _say(f"    {line}")
    if transformers:
        _say(f"    {out}/transformers: for from_pretrained; {out}/card.md has the lines")


def _finished(database: Database, job: JobView, arm: str) -> list[TrialKey]:
    own = [t.key for t in views.trials(database, job.id) if t.state == "done" and t.arm == arm]
    if not own:
        arms = ", ".join((DENSE, *job.experiment.arms))
        raise InputError(f"job {job.id}: no trial of arm {one_line(arm, 80)} is finished; the arms are {arms}")
    return own


def import_(source: Path, out: Path, file: Path | None) -> None:
    """Check a ticket's folder, or turn another program's file into a ticket for an experiment's network."""
    if (source / "card.json").is_file():
        card = read_card(source)
        for part in ("mask", "start", "trained"):
            read_tensors(card, part)
        _new_folder(out)
        make_folder(out)
        for path in (one for one in source.iterdir() if one.is_file() and not one.is_symlink()):
            (out / path.name).write_bytes(path.read_bytes())
        _say(f"{out}: {card.arm}, round {card.round}, seed {card.seed}, {card.density:.2%} of prunable parameters kept")
    else:
        if file is None:
            raise InputError(
                f"{one_line(source)}: has no card: expected --experiment FILE to say which network it is for"
            )
        experiment = load_experiment(file)
        _new_folder(out)
        answer = run_apart(
            "lth_core.worker.ticket_import", experiment=experiment.canonical(), source=str(source),
            folder=str(out),
        )  # fmt: skip
        facts = {
            "job": experiment.name, "arm": "imported", "round": 0, "seed": 0, "density": answer["density"],
            "model_density": answer["model_density"], "score": None,
            "origin": f"{source.name}; mask from {answer['mask']}",
        }  # fmt: skip
        write_card(out, experiment, facts, answer["shapes"], answer["buffers"])
        _say(f"{out}: {answer['density']:.2%} of the prunable parameters kept; mask from {answer['mask']}")
    for line in experiment_lines(out):
        _say(f"    {line}")


def _new_folder(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{one_line(out)} already exists: expected a new or empty folder")
    make_folder(out)


def _say(line: str) -> None:
    indent = line[: len(line) - len(line.lstrip())]
    make_console().print(f"{indent}{one_line(line, 4000)}", markup=False, highlight=False, soft_wrap=True)
