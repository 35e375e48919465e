"""Trained correctors, each a folder, and the N-best lists of `robustger demo`."""
