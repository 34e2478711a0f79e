"""Comparisons: two sides asked the same, their answers scored, and what the difference is worth."""
