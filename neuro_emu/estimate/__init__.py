"""Gates, area and energy of a chip, estimated from its bit widths and its counts."""
