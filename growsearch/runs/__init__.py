"""The folder of a run: what it holds, under which names, and how that is written and read."""
