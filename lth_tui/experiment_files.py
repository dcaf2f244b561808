"""Experiment files to choose from, their content and cost. Does not read the store."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lth_core.analysis.densities import nominal
from lth_core.batches.processes import command
from lth_core.experiment import presets
from lth_core.store.commands import Submit
from lth_core.text import one_line, plural
from lth_tui.reading.feed import LabelledCommand
from lth_tui.words import duration

if TYPE_CHECKING:
    from lth_core.experiment.experiment import Experiment
    from lth_core.experiment.suite import Suite
    from lth_core.settings.base import TrainingSection
    from lth_core.store.views import JobView

_MOST_FILES = 500
_MOST_ENTRIES = 20_000
_NOT_EXPERIMENTS = {"pyproject.toml", "uv.lock"}


@dataclass(frozen=True)
class Candidate:
    """A file that may hold an experiment, and its name in the list."""

    path: Path
    label: str


@dataclass(frozen=True)
class Preview:
    """What a file would queue: one experiment or those of a suite; or none, with a sentence that says why not."""

    lines: tuple[str, ...]
    experiments: tuple["Experiment", ...] = ()
    suite: str | None = None


def candidates(folder: Path | None = None) -> list[Candidate]:
    """One's own TOML files, of the working folder and its `configs/`; after them the presets of the program."""
    here = folder or Path.cwd()
    own: dict[str, Path] = {}
    for path in islice(sorted(here.glob("*.toml")), _MOST_FILES):
        if path.name not in _NOT_EXPERIMENTS:
            own[one_line(path.name, 200)] = path.resolve()
    theirs: dict[str, Path] = {}
    for base in (here / "configs", presets.folder()):
        for path in _toml_below(base):
            label = one_line(f"{base.name}/{path.relative_to(base)}", 200)
            # The same name again is the program's own copy of what the working folder has.
            (theirs if _is_preset(base, path) else own).setdefault(label, path.resolve())
    presets_left = {label: path for label, path in theirs.items() if label not in own}
    return [Candidate(path, label) for label, path in (own | presets_left).items()]


def _is_preset(base: Path, path: Path) -> bool:
    """Whether a file below `base` is the program's own, or a copy of it that nobody has changed."""
    preset = presets.folder() / path.relative_to(base)
    try:
        return preset.samefile(path) or (preset.is_file() and preset.read_bytes() == path.read_bytes())
    except OSError:
        return False


def completed(typed: str) -> str:
    """A path that is being typed, completed as far as the TOML files and folders that begin with it agree."""
    folder, _, begun = typed.rpartition("/")
    base = os.path.expanduser(f"{folder}/" if "/" in typed else ".")  # noqa: PTH111 Path's raises without a home
    try:
        with os.scandir(base) as entries:
            names = [
                entry.name + "/" * entry.is_dir()
                for entry in islice(entries, _MOST_ENTRIES)
                if entry.name.startswith(begun) and (entry.is_dir() or entry.name.endswith(".toml"))
            ]
    except OSError:
        return typed
    shown = [name for name in names if begun.startswith(".") or not name.startswith(".")]
    common = os.path.commonprefix(shown)  # noqa: RUF071 letters of one name are wanted
    return typed if not common else typed[: len(typed) - len(begun)] + common


def _toml_below(folder: Path) -> list[Path]:
    try:
        found = sorted(islice(folder.rglob("*.toml"), _MOST_FILES), key=lambda path: path.with_suffix(""))
    except OSError:
        return []
    return sorted(found, key=lambda path: presets.ORDER.get(path.parent.name, len(presets.ORDER)))


def preview(path: Path) -> Preview:
    """Load an experiment and say what it would do; takes a third of a second the first time."""
    from lth_core.errors import InputError
    from lth_core.experiment.plan import plan
    from lth_core.experiment.suite import Suite, load

    try:
        experiment = load(path)
    except InputError as error:
        return Preview((str(error),))
    if isinstance(experiment, Suite):
        return _preview_of_suite(experiment, path)
    trials = plan(experiment)
    arms = Counter(trial.key.arm for trial in trials)
    model, training, pruning = experiment.model, experiment.training, experiment.pruning
    rounds = pruning.rounds
    lines = (
        experiment.name,
        *_about(path),
        f"{plural(len(trials), 'trial')}: {plural(rounds, 'round')} × {plural(len(experiment.arms), 'arm')} "
        f"× {plural(len(experiment.seeds), 'seed')}, and {arms['dense']} dense",
        f"arms: {', '.join(experiment.arms)}",
        f"task: {experiment.task.subject}, score {experiment.judged_by}",
        f"model: {model.kind} {model.summary}",
        f"training: {_training(training)}",
        f"pruning: {pruning.fraction:.0%} a round, {pruning.scope}{_left(experiment)}",
        f"rewinding: weights to {experiment.rewinding.weights:,} {training.unit}, "
        f"schedule {experiment.rewinding.schedule}",
        *would_import([experiment]),
    )
    return Preview(tuple(one_line(line) for line in lines), (experiment,))


def would_import(experiments: Sequence["Experiment"]) -> list[str]:
    """The code they name, one line each; it is imported only when one of them is queued or measured."""
    imports = dict.fromkeys(own for one in experiments for own in one.task.imports)
    return [f"imports {own} when it is queued or measured" for own in imports]


async def code_refused(experiments: Sequence["Experiment"], source: object) -> str:
    """A sentence why the code they name cannot be used; empty if it can, or if they name none."""
    from lth_core.engine import named_code
    from lth_core.errors import InputError

    try:
        await asyncio.to_thread(named_code.check, experiments, one_line(source))
    except InputError as error:
        return str(error)
    return ""


def _left(experiment: "Experiment") -> str:
    """The share kept at the end; with fractions per group, these, because the total depends on the layers' sizes."""
    left = nominal(experiment, experiment.pruning.rounds)
    own = ", ".join(f"{group} {fraction:.0%}" for group, fraction in experiment.pruning.fractions.items())
    return f", {own}" if left is None else f", to {left:.2%} kept"


def _about(path: Path) -> list[str]:
    """The comment at the start of a file, in brief."""
    said = presets.brief(presets.about(str(path)))
    return [said] if said else []


def _training(training: "TrainingSection") -> str:
    """`3,200 games, a2c, rmsprop, learning rate 0.0001`; algorithm and optimizer where they are chosen."""
    chosen = (getattr(training, name, "") for name in ("algorithm", "optimizer"))
    how_long, rate = f"{training.length:,} {training.unit}", f"learning rate {training.learning_rate:g}"
    return ", ".join(filter(None, (how_long, *chosen, rate)))


def _preview_of_suite(suite: "Suite", path: Path) -> Preview:
    """A suite's members; each becomes one job."""
    from lth_core.experiment.plan import plan

    trials = [len(plan(experiment)) for experiment in suite.experiments]
    lines = (
        f"suite {suite.name}: {plural(len(trials), 'experiment')}, {plural(sum(trials), 'trial')}",
        *_about(path),
        *would_import(suite.experiments),
        *(f"{one.name}: {plural(count, 'trial')}" for one, count in zip(suite.experiments, trials, strict=True)),
    )
    return Preview(tuple(one_line(line) for line in lines), suite.experiments, suite.name)


def submissions(found: Preview, path: Path, *, again: bool) -> list[LabelledCommand]:
    """The commands that queue a file's experiments."""
    source = one_line(path.resolve())
    made = []
    for experiment in found.experiments:
        submit = Submit(experiment=experiment.canonical(), source=source, again=again, suite=found.suite)
        made.append(LabelledCommand(submit, f"add {one_line(experiment.name, 80)}"))
    return made


def known_time(found: Preview, jobs: Sequence["JobView"]) -> str:
    """The duration of earlier jobs with the same task, model and training here; empty if there are none."""
    seconds = 0.0
    for experiment in found.experiments:
        alike = [job for job in jobs if job.state == "done" and job.trials and job.started and job.finished
                 and (job.experiment.task, job.experiment.model, job.experiment.training)
                 == (experiment.task, experiment.model, experiment.training)]  # fmt: skip
        if not alike:
            return ""
        like = alike[-1]
        assert like.finished is not None and like.started is not None  # noqa: S101 chosen above
        from lth_core.experiment.plan import plan

        seconds += (like.finished - like.started) / like.trials * len(plan(experiment))
    return f"about {duration(seconds)}, as job {like.id} took" if found.experiments else ""


async def measured_cost(path: Path, device: str, slots: int | None) -> list[str]:
    """Time and disk estimate from a short measurement by `lth check`, in processes of its own; takes seconds.

    Cancelling it ends the measurement. Raises OSError.
    """
    words = command("lth_core.cli", "check", str(path), "--device", device)
    if slots is not None:
        words += ["--slots", str(slots)]
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *words, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True, env={**os.environ, "NO_COLOR": "1"}
    )
    try:
        out, errors = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        raise
    good = process.returncode == 0
    lines = [one_line(line) for line in (out if good else errors).decode(errors="replace").splitlines()]
    return [line for line in lines if "measured" in line or "on disk" in line] if good else lines[-1:]
