"""Tables, figures, pages and cards from the store. Imports no torch."""
