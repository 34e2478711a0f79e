"""The Score screen: why an instrument gives an answer what it gives it."""
