"""The golden model of the chip: what the RTL must do, in its own terms."""
