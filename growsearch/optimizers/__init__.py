"""What is known of every optimizer: its class and options, and what its state is when parameters change their shape."""

from growsearch.optimizers.find import offered_names, record_of
from growsearch.optimizers.record import Fill, OptimizerRecord

__all__ = ["Fill", "OptimizerRecord", "offered_names", "record_of"]
