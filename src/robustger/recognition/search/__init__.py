"""Decides how widely all recognizers search, and holds a beam search for any decoder."""
