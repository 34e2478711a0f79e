"""Who rates and judges."""

from __future__ import annotations

import getpass


def account_name() -> str:
    """The name of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "me"
