"""Guards decide which edits of the language model stay."""
