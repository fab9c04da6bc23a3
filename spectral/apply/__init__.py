"""The layer and the pruning in networks of one's own."""
