"""Chips with a graph of layers: what the rule asks of them, their matrices and their first state."""
