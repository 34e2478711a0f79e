"""The Compare screen: two sides of a battery, pair by pair and as a whole."""
