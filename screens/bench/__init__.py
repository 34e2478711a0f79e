"""The terminal measured from outside: the real lab on a pseudo-terminal, driven by keys."""
