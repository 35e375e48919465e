"""Everything that a table compares: baselines, correctors, and other beams, each computed once and kept."""
