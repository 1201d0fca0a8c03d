"""Looking inside a Transformer: attention, logit lens, attribution, ablation, embeddings. Nothing here is an explanation."""
