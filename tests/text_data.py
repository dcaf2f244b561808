"""Where the tests' real texts are: in the folder LTH_TEST_DATA, or `../shared/data` seen from the repository."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("LTH_TEST_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))

needs_wikitext = pytest.mark.skipif(
    not (DATA / "wikitext-2" / "train.txt.gz").is_file(), reason="no wikitext-2 where LTH_TEST_DATA says"
)


def wikitext() -> dict[str, str]:
    """Fields of a `[task]` on WikiText-2."""
    parts = {part: str(DATA / "wikitext-2" / f"{part}.txt.gz") for part in ("train", "valid", "test")}
    return {"kind": "language_model", "source": "files", **parts}
