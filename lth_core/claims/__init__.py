"""Claims of the paper, each with the experiment that tests it, and what stored jobs say of them."""
