"""Text: tokens, conversations, corpora and language tools. Needs no torch."""
