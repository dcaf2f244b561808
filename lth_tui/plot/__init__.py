"""From a Chart to cells: what is looked at, braille dots, axes, legend. It knows no job and no widget."""
