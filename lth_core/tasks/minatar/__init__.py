"""MinAtar (Young & Tian 2019): five games on boards of 10 x 10, stepped for a whole stack at once in numpy."""
