"""The terminal workbench. What it shows flows one way: `reading`, `content`, `plot` and `widgets`, `screens`.

It knows no tensor and never trains: the engine is a process of its own.
"""
