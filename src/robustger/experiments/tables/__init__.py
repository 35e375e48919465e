"""One file for each experiment: a table of the paper, or one of our own."""
