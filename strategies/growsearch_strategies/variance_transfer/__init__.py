"""Variance transfer: which existing weights are rescaled as a layer gets more inputs."""
