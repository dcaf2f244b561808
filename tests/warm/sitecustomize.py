"""Loaded by every Python process that the tests start: those of ours that it starts are forked, as `warm` says."""

import warm

warm.install()
