"""The mini-batch datapaths of graphs: one walk over the operations of :mod:`.ops`."""
