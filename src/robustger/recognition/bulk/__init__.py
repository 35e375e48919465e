"""A manifest of recordings into N-best lists, in a run that goes on wherever it was killed."""
