"""Graphs of layers: shapes, windows, nodes, and the state that convolutional networks keep."""
