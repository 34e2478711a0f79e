"""Training on preferences: pairs as tokens, the reference, the losses of `lab.preference` in the loop."""
