"""Which edits of the language model stay."""
