"""A package from outside that adds one of everything to growsearch."""
