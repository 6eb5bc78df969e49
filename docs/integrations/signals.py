"""SIGTERM ends the run after this step, SIGUSR1 saves a checkpoint; both save only between steps."""

import signal
import sys

from runwatch_halt import runwatch_halt

received = set()
for wanted in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(wanted, lambda number, frame: received.add(number))


def after_step(save, step):
    """Call it after every step, on every rank; ends the process when it is asked to."""
    stop = signal.SIGTERM in received or runwatch_halt()
    if stop or signal.SIGUSR1 in received:
        received.discard(signal.SIGUSR1)
        save(step)
    if stop:
        sys.exit(0)


if __name__ == "__main__":
    import time
    from pathlib import Path

    for step in range(1, int(sys.argv[1]) + 1):
        time.sleep(0.01)
        print(f"step: {step} loss: {1 / step:.4f}", flush=True)
        after_step(lambda step: Path("checkpoint.txt").write_text(f"{step}\n"), step)
