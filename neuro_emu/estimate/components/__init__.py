"""Gates of the building blocks of a datapath as functions of bit widths; one file a family."""
