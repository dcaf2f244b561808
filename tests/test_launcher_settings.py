"""`[launcher]`: what is accepted, and the sentence for what is not."""

from typing import Any

import pytest
from pydantic import ValidationError

from lth_core.cli.headless import on_launcher
from lth_core.errors import InputError
from lth_core.experiment.file import apply_override, resolve
from lth_core.settings.launcher import LocalLauncher, SlurmLauncher


def resolved(table: Any) -> Any:
    return resolve({"name": "a", "seeds": 1, "launcher": table}, "a.toml").launcher


def test_without_a_table_batches_run_on_this_machine() -> None:
    assert resolve({"name": "a", "seeds": 1}, "a.toml").launcher == LocalLauncher()
    assert resolved({}) == LocalLauncher()


def test_everything_of_a_job_can_be_given() -> None:
    given = {
        "kind": "slurm", "gpus": 1, "cpus": 4, "memory": "16G", "time_limit": "1-12:00:00", "warning": 300,
        "partition": "gpu,long", "account": "lab_7", "most_jobs": 40, "poll_every": 60,
        "options": {"qos": "low", "exclusive": True, "nice": 100, "constraint": "[a100*2&ib]"},
    }  # fmt: skip
    assert resolved(given) == SlurmLauncher(**given)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"kind": "pbs"}, "'local' or 'slurm'"),
        ({"partition": "gpu"}, 'launcher.partition is not a field of "local", but of "slurm": expected one of kind'),
        ({"kind": "slurm", "gpu": 1}, 'did you mean "gpus"'),
        ({"kind": "slurm", "gpus": 2}, "launcher.gpus = 2: expected 1 or less"),
        ({"kind": "slurm", "time_limit": "soon"}, 'time_limit "soon": expected minutes'),
        ({"kind": "slurm", "memory": "lots"}, 'memory "lots": expected a number'),
        ({"kind": "slurm", "partition": "a b"}, 'partition "a b": expected a name'),
        ({"kind": "slurm", "account": "x\n#SBATCH --wrap=id"}, "account"),
        ({"kind": "slurm", "options": {"wrap": "id"}}, 'options "wrap": expected one of begin'),
        ({"kind": "slurm", "options": {"qoss": "id"}}, 'did you mean "qos"'),
        ({"kind": "slurm", "options": {"comment": "x\n#SBATCH --wrap=id"}}, "options.comment"),
        ({"kind": "slurm", "options": {"comment": "$(id)"}}, "options.comment"),
        ({"kind": "slurm", "options": {"qos": []}}, "launcher.options.qos = []"),
        ({"kind": "slurm", "most_jobs": 0}, "launcher.most_jobs = 0"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(table: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        resolved(table)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_the_option_of_the_command_line_chooses_the_kind() -> None:
    fields = {"name": "a", "seeds": 1, "launcher": {"kind": "slurm", "partition": "gpu"}}
    assert on_launcher(None) == []
    for override in on_launcher("slurm"):
        apply_override(fields, override)
    assert resolve(fields, "a").launcher == SlurmLauncher(partition="gpu")
    for override in on_launcher("local"):
        apply_override(fields, override)
    assert resolve(fields, "a").launcher == LocalLauncher()


def test_a_file_of_this_machine_goes_to_the_cluster_as_it_is() -> None:
    assert SlurmLauncher.model_validate({"kind": "slurm", "device": "auto"}) == SlurmLauncher()
    with pytest.raises(ValidationError, match="device"):
        SlurmLauncher.model_validate({"kind": "slurm", "device": "cuda"})
