"""Built-in strategies, found by growsearch through entry points."""
