"""Colors: the lab's themes, user themes from YAML, and the entropy ramp."""
