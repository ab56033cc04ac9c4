"""How a row in another tool's format becomes one of our records. Does not know where rows come from."""
