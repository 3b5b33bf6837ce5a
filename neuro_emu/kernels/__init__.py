"""Compiled loops over arrays of codes; no allocation, no floats."""
