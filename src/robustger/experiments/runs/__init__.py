"""Trainings that tables share: planned together, run as processes, and found again by their digests."""
