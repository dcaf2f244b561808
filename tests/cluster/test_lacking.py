"""Where Slurm is missing, that is said in a sentence."""

import pytest

from tests.cluster import slurm_cluster


def test_what_is_missing_and_where_to_get_it_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "missing", lambda: ["slurmd"])
    said = slurm_cluster.lacking()
    assert said.startswith("Slurm is missing on this machine: there is no slurmd.")
    assert said.endswith("On Debian: apt install slurmctld slurmd slurm-client munge")
    monkeypatch.setattr(slurm_cluster, "missing", list)
    assert slurm_cluster.lacking() == ""
