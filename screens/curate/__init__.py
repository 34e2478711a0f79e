"""The Curate screen: pairs of answers judged blind, by one key each."""
