"""Decoding: one loop that yields tokens together with their statistics."""
