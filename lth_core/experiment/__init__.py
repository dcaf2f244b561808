"""One experiment: its tables and rules, its file, suites of them, arms as data, trials and what each waits for."""
