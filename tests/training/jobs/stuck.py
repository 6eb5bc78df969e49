"""A loop that means to end well on SIGTERM, and hangs where it never gets to it: only SIGKILL helps."""

import time

from fault import cause
from signals import after_step

for step in range(1, 100_000):
    time.sleep(0.02)
    print(f"step: {step} loss: {1 + 1 / step:.4f}", flush=True)
    after_step(lambda step: None, step)
    if step == 60:
        cause()
        while True:
            time.sleep(1)
