"""The gradient of new units as an objective, for `gradmax` and `gradmax_opt`."""
