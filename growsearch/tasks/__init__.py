"""What a network learns: the loss, what is measured and how it is shown, and which data and outputs that takes."""

from growsearch.tasks.classification import Classification
from growsearch.tasks.language import Language
from growsearch.tasks.load import make_task
from growsearch.tasks.metric import Metric
from growsearch.tasks.regression import Regression
from growsearch.tasks.task import Task

__all__ = ["Classification", "Language", "Metric", "Regression", "Task", "make_task"]
