"""(N-best list, noise embedding) -> text: the conditioned language model and what surrounds it."""
