"""What is computed from lists and answers: error rates with intervals, distances, neighbors, published figures."""
