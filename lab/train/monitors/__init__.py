"""What is watched while a run trains: answers to pinned probes, and held-out perplexity."""
