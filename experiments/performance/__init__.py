"""How long what users wait for takes, beside what it could take."""
