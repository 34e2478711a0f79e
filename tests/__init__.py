"""Tests: they prove behavior. Slow proofs carry the marker `slow`."""
