"""What the jobs of this folder do wrong on purpose, and when."""

import os
import threading
import time
from pathlib import Path


def cause():
    """Writes down that the trouble begins now, for the driver to measure from."""
    new = Path(os.environ["CAUSE"] + ".new")
    new.write_text(repr(time.time()))
    new.rename(os.environ["CAUSE"])


def hang():
    """Waits for a lock that nobody gives back, as a stuck data loader does."""
    cause()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
