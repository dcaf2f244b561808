"""The settings of an experiment, table by table: kinds, fields, defaults. Imports no torch."""
