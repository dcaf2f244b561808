"""Draws a Chart into cells: viewport, braille dots, axes, legend. Knows nothing of jobs or widgets."""
