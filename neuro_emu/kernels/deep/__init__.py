"""Compiled loops of networks that learn a mini-batch at a time."""
