"""A look inside a Transformer: attention, logit lens, attribution, ablation, embeddings; no explanation."""
