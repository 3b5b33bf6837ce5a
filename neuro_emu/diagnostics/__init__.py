"""What a learning rule does inside: angles, effective rates, lost steps; on the host, never part of the chip."""
