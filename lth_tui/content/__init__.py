"""Turns a Snapshot into the content of pages: texts, tables, charts. Pure functions; no store, no widgets."""
