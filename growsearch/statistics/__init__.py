"""Numbers about runs over seeds: paired differences and what so many seeds can show. No conclusions."""

from growsearch.statistics.level import ENOUGH_SEEDS, LEVEL
from growsearch.statistics.paired import difference_interval, holm, permutation_p_value, probability_of_improvement
from growsearch.statistics.power import detectable_difference, seeds_needed, smallest_p_value
from growsearch.statistics.summary import interquartile_mean, standard_deviation

__all__ = [
    "ENOUGH_SEEDS",
    "LEVEL",
    "detectable_difference",
    "difference_interval",
    "holm",
    "interquartile_mean",
    "permutation_p_value",
    "probability_of_improvement",
    "seeds_needed",
    "smallest_p_value",
    "standard_deviation",
]
