"""Models: loading, hashing, chat templates."""
