"""python -m tests.faults: inject every fault, the slow ones too, and print the table of outcomes.

Arguments go to pytest (`-k disk`, `-m "not slow"`).
"""

import sys
from pathlib import Path

import pytest

from tests.faults.matrix import Matrix

if __name__ == "__main__":
    folder = str(Path(__file__).parent)
    sys.exit(pytest.main([folder, "-m", "slow or not slow", *sys.argv[1:]], plugins=[Matrix()]))
