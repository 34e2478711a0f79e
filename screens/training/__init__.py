"""The Train screen: runs as they go, what they did, and how they are steered."""
