"""What an experiment asks for, table by table: kinds, fields, defaults. Knows no torch, no store."""
