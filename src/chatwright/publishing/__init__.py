"""Weights in and out: Hugging Face folders, the hub, GGUF. In: models of others, or ours.  Out: ours, or theirs."""
