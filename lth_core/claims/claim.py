"""The list of claims, `claims.toml` beside this file: what the paper says, and the tests that would show it."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.suite import Suite, load
from lth_core.invalid import reason
from lth_core.settings.base import Fraction, Section
from lth_core.text import one_line

STORED = "expected what `lth claims store` wrote"

Sign = Literal["above", "below", "near zero", "no loss"]
"""Near zero: within the margin around it, on both sides; no loss: not below it by the margin."""


class Comparison(Section):
    """One comparison that a claim stands or falls with.

    job: the experiment's name. weights: per arm, of the sum that is compared with zero (see `analysis.contrast`), more
    being better. at: the density at which; without it the mean over all rounds. expected: what the claim says of it.
    than: a job of the same suite, whose sum is subtracted seed by seed.
    """

    job: str
    weights: dict[str, float]
    at: Fraction | None = None
    expected: Sign = "above"
    than: str | None = None
    says: str
    """The claim for this job, in words."""

    @model_validator(mode="after")
    def _has_weights(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("weights: expected an arm with a weight other than zero")
        return self


class Claim(Section):
    """A claim of the paper. scale: what is done here beside what was done there; chosen: how its settings were chosen,
    written down before the run. some: one test that holds is enough, because it claims no more than that. afterwards:
    how to read the answer, written when it was known; but: the same in a few words, where the answer stands alone."""

    number: Annotated[int, Field(ge=1)]
    says: str
    paper: str
    scale: str
    chosen: str
    files: Annotated[list[str], Field(min_length=1)]
    """The presets that test it."""
    tests: Annotated[list[Comparison], Field(min_length=1)]
    some: bool = False
    afterwards: str = ""
    but: str = ""


class Panel(Section):
    """One plot of a figure. arms: those that are drawn beside the dense network."""

    job: str
    title: str
    arms: Annotated[list[str], Field(min_length=1)]


class PaperFigure(Section):
    """A figure of the paper, and the jobs that are drawn in its place here. number: the paper's."""

    number: Annotated[int, Field(ge=1)]
    says: str
    panels: Annotated[list[Panel], Field(min_length=1)]


class _Listed(Section):
    quick: list[str]
    claim: list[Claim]
    figure: list[PaperFigure]


@cache
def _listed() -> _Listed:
    path = Path(__file__).with_name("claims.toml")
    try:
        return _Listed.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {error}") from None


def claims() -> tuple[Claim, ...]:
    """All claims that can be tested, by number. Raises ValueError for a list that is not well-formed."""
    return tuple(sorted(_listed().claim, key=lambda one: one.number))


def quick_jobs() -> tuple[str, ...]:
    """Names of the jobs that a quick check trains some of again. Raises ValueError like `claims`."""
    return tuple(_listed().quick)


def paper_figures() -> tuple[PaperFigure, ...]:
    """The paper's figures that are drawn from stored jobs, by number. Raises ValueError like `claims`."""
    return tuple(sorted(_listed().figure, key=lambda one: one.number))


@cache
def experiments(file: str) -> tuple[Experiment, ...]:
    """The experiments of a claim's preset; its packages and texts need not be here."""
    held = load(Path(file), runs_here=False)
    return held.experiments if isinstance(held, Suite) else (held,)


def stored_experiment(folder: Path) -> Experiment:
    """The experiment of a stored job; raises InputError where it is missing or is none."""
    path = folder / "experiment.json"
    try:
        return Experiment.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{one_line(path)}: {reason(error)}: {STORED}") from None


def command(file: str) -> str:
    """What runs a claim's preset."""
    return f"lth headless {file}"
