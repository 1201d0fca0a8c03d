"""Feedback: what people prefer. Needs no torch."""
