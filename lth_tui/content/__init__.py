"""From a Snapshot to what pages show: rows of words, tables, charts. Pure functions that know no store and no page."""
