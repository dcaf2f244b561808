"""An experiment as lines of `field = value`, the form that `show` prints, `diff` compares and `--set` accepts."""

from lth_core.experiment.experiment import Experiment
from lth_core.text import clean
from lth_core.toml_text import flatten


def experiment_fields(experiment: Experiment) -> dict[str, str]:
    """All fields of a resolved experiment, in the order of the model."""
    return flatten(experiment.model_dump(mode="json"))


def lines(fields: dict[str, str]) -> str:
    """One field per line, safe to print even if the experiment comes from somebody else."""
    return "\n".join(clean(f"{name} = {value}", 1_000_000) for name, value in fields.items())


def differences(a: dict[str, str], b: dict[str, str]) -> list[tuple[str, str, str]]:
    """(field, value in a, value in b) for each difference; a missing field is a dash."""
    names = list(dict.fromkeys([*a, *b]))
    return [(n, a.get(n, "-"), b.get(n, "-")) for n in names if a.get(n) != b.get(n)]
