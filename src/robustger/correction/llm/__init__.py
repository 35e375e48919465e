"""Holds the frozen language model and the noise prompt in its attention."""
