"""The life of a connection's row, for every caller."""
