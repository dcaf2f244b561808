"""Parts of a log that checkpoints share: which are needed and kept, and that a damaged or missing one is noticed."""

from pathlib import Path

import numpy as np
import pytest

from lth_core.store.log_parts import LogParts, load_parts
from lth_core.store.tensors import DamagedFile


def _saved(folder: Path) -> tuple[LogParts, list[list[str]]]:
    """Three checkpoints, each with two new entries; the third no longer needs the first two entries."""
    parts, found = LogParts(folder), []
    for first, number in ((0, 0), (0, 2), (2, 4)):
        arrays = {"flat": np.zeros(1), f"log/7/{number}": np.full((2, 3), number, np.uint8)}
        rest, names = parts.save(arrays, first, number + 2)
        assert list(rest) == ["flat"]
        parts.clear()
        found.append(names)
    return parts, found


def test_what_the_two_newest_checkpoints_need_is_kept(tmp_path: Path) -> None:
    _, (first, second, third) = _saved(tmp_path)
    assert second[0] == first[0] and third[0] == second[1]
    assert {path.name for path in tmp_path.iterdir()} == {*second, *third}
    whole = load_parts([tmp_path], third)
    assert {name: one[0, 0] for name, one in whole.items()} == {"log/7/2": 2, "log/7/4": 4}


@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_damaged_part_is_noticed(tmp_path: Path, how: str) -> None:
    _, (_, second, third) = _saved(tmp_path)
    path = tmp_path / third[-1]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content if how == "flipped" else content[:-4])
    with pytest.raises(DamagedFile):
        load_parts([tmp_path], third)
    assert len(load_parts([tmp_path], second)) == 2


def test_a_name_that_leads_elsewhere_is_no_part(tmp_path: Path) -> None:
    with pytest.raises(DamagedFile, match="names a part of its log that is none"):
        load_parts([tmp_path], ["../log-000000000000-000000000002.safetensors"])
