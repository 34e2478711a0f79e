"""The one exception of the store whose message is meant for people."""


class StoreError(Exception):
    """A fault with a one-line message: what is wrong, where, and what to do about it."""
