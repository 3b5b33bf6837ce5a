"""Layers, formats and the explicit state of a chip."""
