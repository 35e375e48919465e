"""From prompts to answers: drafted decoding, stepwise decoding, and how many lists fit into a batch."""
