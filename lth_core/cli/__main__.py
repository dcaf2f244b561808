"""`python -m lth_core.cli`: the same as `lth`."""

from lth_core.cli import main

main()
