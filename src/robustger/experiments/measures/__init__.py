"""Measures of lists and texts: error rates with intervals, distances, neighbors, and the paper's published figures."""
