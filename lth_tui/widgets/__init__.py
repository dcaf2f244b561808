"""Widgets: they draw cells and handle keys. A widget is given its data and never reads the store."""
