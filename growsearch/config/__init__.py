"""Files: loading, checking, policies, ranges, and the JSON Schema."""

from growsearch.config.models import (
    AugmentConfig,
    BudgetConfig,
    GrowthConfig,
    ScheduleConfig,
    StatisticsConfig,
    TrainingConfig,
)
from growsearch.config.run_config import RunConfig
from growsearch.config.search_config import SearchBudget, SearchConfig, SearchStop
from growsearch.config.space import Space, find_file, load_config, load_space

__all__ = [
    "AugmentConfig",
    "BudgetConfig",
    "GrowthConfig",
    "RunConfig",
    "ScheduleConfig",
    "SearchBudget",
    "SearchConfig",
    "SearchStop",
    "Space",
    "StatisticsConfig",
    "TrainingConfig",
    "find_file",
    "load_config",
    "load_space",
]
