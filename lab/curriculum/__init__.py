"""The curriculum: answers made under a kernel, sifted into training data, and trained on phase by phase."""
