"""How figures look, and the figures of the experiments."""
