"""A look inside a Transformer: attention, logit lens, attribution, ablation, embeddings. None of it explains the model."""
