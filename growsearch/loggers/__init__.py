"""Runs written down for other programs to show, while they train."""

from growsearch.loggers.base import LoggedRun, Logger
from growsearch.loggers.observers import Observers, check_loggers

__all__ = ["LoggedRun", "Logger", "Observers", "check_loggers"]
