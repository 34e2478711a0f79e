"""Preference pairs and what is learned from them."""
