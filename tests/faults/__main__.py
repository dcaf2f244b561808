"""python -m tests.faults: inject every fault, the slow ones too, and print the table of outcomes.

Arguments go to pytest (`-k disk`, `-m "not slow"`). With --pairs COUNT pairs of faults are drawn instead, and both of
each injected into one job: --seed N draws the same ones again, --only N plays one of them, --at-once N several at once.
"""

import argparse
import secrets
import sys
from pathlib import Path

import pytest

from tests.faults.matrix import Matrix


def _pairs(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--pairs", type=int, required=True)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--only", type=int)
    parser.add_argument("--at-once", type=int, default=1)
    asked = parser.parse_args(words)
    from tests.faults.pairs.draw import main

    return main(asked.pairs, asked.seed, asked.only, asked.at_once)


if __name__ == "__main__":
    if any(word.startswith("--pairs") for word in sys.argv[1:]):
        sys.exit(_pairs(sys.argv[1:]))
    folder = str(Path(__file__).parent)
    sys.exit(pytest.main([folder, "-m", "slow or not slow", *sys.argv[1:]], plugins=[Matrix()]))
