"""Three datapaths that execute the same rule bodies: fast, traced, float."""
