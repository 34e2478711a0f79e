"""The one exception of the lab whose message is meant for people."""


class LabError(Exception):
    """A fault with a one-line message: which file, line or field, what was expected, and what to do."""
