"""The width of the search of all recognizers, and beam search with any decoder."""
