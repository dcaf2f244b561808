"""The tutorial about clusters is followed to the letter."""

from pathlib import Path

import pytest

from tests import tutorials
from tests.cluster.slurm_cluster import SlurmCluster


@pytest.mark.slurm
def test_the_tutorial_does_what_it_says(cluster: SlurmCluster, tmp_path: Path) -> None:
    page = tutorials.read("cluster")
    said = tutorials.run(page, tmp_path)
    assert tutorials.missing(page, said) == []
    assert "slurm" in said
