"""Widgets: they draw cells and handle keys. A widget receives its data and never reads the store."""
