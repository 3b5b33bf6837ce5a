"""The chip's RTL built by open tools and driven from Python."""
