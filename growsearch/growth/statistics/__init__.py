"""Statistics of a growth step: one pass over the batches serves every site and every strategy."""
