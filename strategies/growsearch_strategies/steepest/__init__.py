"""Splitting steepest descent: the curvature of the loss by splits of single units."""
