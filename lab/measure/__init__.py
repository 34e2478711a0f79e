"""Measuring: pure functions of texts and arrays."""
