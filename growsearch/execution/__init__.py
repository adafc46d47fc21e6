"""Runs as jobs: checked before anything starts, run in processes of their own, interrupted by signals."""
