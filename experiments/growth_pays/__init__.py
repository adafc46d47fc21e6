"""Does growing a transformer pay? Studies, each a file of policies; see README.md."""
