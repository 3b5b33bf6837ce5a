"""External memory: what a training step reads and writes when parameters and activations do not fit on the chip."""
