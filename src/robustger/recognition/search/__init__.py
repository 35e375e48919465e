"""How widely every recognizer searches, and beam search with any decoder."""
