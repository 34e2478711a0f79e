"""Adapters as objects of study and of exchange: their anatomy, cards, PEFT layout, fusing."""
