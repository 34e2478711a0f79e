"""The Shannon control unit: description length of an adapter, held at a share of the data's by a PI loop.

Quantities, laws and figures are pure functions of numbers; the training loop feeds them and applies λ.
Built from the mathematics of seed 003 as restated in its published adapter card, not from its code.
"""
