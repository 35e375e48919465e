"""The common look of all figures, and the figures of the experiments."""
