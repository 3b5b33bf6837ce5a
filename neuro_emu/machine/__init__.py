"""The machine: chip description, memories, cycles and accesses."""
