"""The Live screen: one answer, watched token by token."""
