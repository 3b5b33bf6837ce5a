"""Configuration: typed YAML with source positions, resolved into a chip."""
