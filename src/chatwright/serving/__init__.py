"""The server: models behind an OpenAI-compatible API. `app.create_app` puts the parts together, `serve` runs it."""
