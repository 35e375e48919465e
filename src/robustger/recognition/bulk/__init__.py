"""Makes N-best lists of all recordings of a manifest, in a run that can be killed and continued at any time."""
