"""The terminal workbench. Data flows one way: `reading`, `content`, `plot` and `widgets`, `screens`.

It never imports torch or trains: the engine is a separate process.
"""
