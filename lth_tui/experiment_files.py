"""Which experiment files there are to choose from, and what one of them holds. Touches no store."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lth_core.text import one_line

if TYPE_CHECKING:
    from lth_core.suite import Suite

_MOST_FILES = 500
_NOT_EXPERIMENTS = {"pyproject.toml", "uv.lock"}


@dataclass(frozen=True)
class Candidate:
    """A file that may hold an experiment, and how it is written in the list."""

    path: Path
    label: str


@dataclass(frozen=True)
class Preview:
    """An experiment as it would be queued; or, without `canonical`, the sentence that says what is wrong."""

    lines: tuple[str, ...]
    canonical: str | None
    name: str = ""


def candidates(folder: Path | None = None) -> list[Candidate]:
    """TOML files of `configs/` here, of those that come with the program, and of the folder itself."""
    here = folder or Path.cwd()
    found: dict[str, Path] = {}
    for base in config_folders(here):
        for path in _toml_below(base):
            # The same name again is the program's own copy of what the working folder has.
            found.setdefault(one_line(f"{base.name}/{path.relative_to(base)}", 200), path.resolve())
    for path in islice(sorted(here.glob("*.toml")), _MOST_FILES):
        if path.name not in _NOT_EXPERIMENTS:
            found.setdefault(one_line(path.name, 200), path.resolve())
    return [Candidate(path, label) for label, path in found.items()]


def config_folders(here: Path) -> Iterator[Path]:
    """`configs/` in the working folder, inside the installed package, beside the package in a checkout."""
    import lth_core

    package = Path(lth_core.__file__).parent
    for folder in (here / "configs", package / "configs", package.parent / "configs"):
        if folder.is_dir():
            yield folder


def _toml_below(folder: Path) -> list[Path]:
    try:
        found = sorted(islice(folder.rglob("*.toml"), _MOST_FILES))
    except OSError:
        return []
    quick_first = {"quick": 0, "paper": 1, "suites": 2}
    return sorted(found, key=lambda path: quick_first.get(path.parent.name, 3))


def preview(path: Path) -> Preview:
    """Load an experiment and say what it would do; takes a third of a second the first time."""
    from lth_core.errors import InputError
    from lth_core.plan import plan
    from lth_core.suite import Suite
    from lth_core.suite_file import load

    try:
        experiment = load(path)
    except InputError as error:
        return Preview((str(error),), None)
    if isinstance(experiment, Suite):
        return _preview_of_suite(experiment)
    trials = plan(experiment)
    arms = Counter(trial.key.arm for trial in trials)
    model, training, pruning = experiment.model, experiment.training, experiment.pruning
    rounds = pruning.rounds
    lines = (
        experiment.name,
        f"{len(trials):,} trials: {rounds} rounds × {len(experiment.arms)} arms "
        f"× {len(experiment.seeds)} seeds, and {arms['dense']} dense",
        f"arms: {', '.join(experiment.arms)}",
        f"task: {experiment.task.subject}, score {experiment.task.score}",
        f"model: {model.kind} {model.summary}",
        f"training: {training.algorithm}, {training.length:,} {training.unit} a ticket",
        f"pruning: {pruning.fraction:.0%} a round, {pruning.scope}, to {pruning.density(rounds):.2%} left",
        f"rewinding: weights to {experiment.rewinding.weights:,}, schedule {experiment.rewinding.schedule}",
        f"identity: {experiment.identity[:16]}",
    )
    return Preview(tuple(one_line(line) for line in lines), experiment.canonical(), one_line(experiment.name, 80))


def _preview_of_suite(suite: "Suite") -> Preview:
    """What a suite holds; it is queued as a whole by `lth headless`, not from here."""
    lines = (
        f"suite {suite.name}: {len(suite.experiments)} experiments; queue it with: lth headless FILE",
        *(experiment.name for experiment in suite.experiments),
    )
    return Preview(tuple(one_line(line) for line in lines), None)
