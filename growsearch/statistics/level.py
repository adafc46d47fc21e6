"""The level of all tests."""

LEVEL = 0.05  # of the tests; intervals have the confidence 1 - LEVEL
ENOUGH_SEEDS = 6  # below six pairs no exact two-sided paired test reaches 5 %: 2 / 2**5 = 6 %
