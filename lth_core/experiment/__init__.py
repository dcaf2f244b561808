"""Experiments: tables and rules, files, suites, arms as data, trials and their dependencies."""
