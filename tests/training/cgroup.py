"""A memory limit for the processes of a job, by a cgroup of either version."""

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited(limit):
    """The folder of a new cgroup, or None where this machine gives us none."""
    v1 = (ROOT / "memory").is_dir()
    folder = (ROOT / "memory" if v1 else ROOT) / f"runwatch-training-{os.getpid()}-{time.monotonic_ns()}"
    try:
        folder.mkdir()
        if v1:
            (folder / "memory.limit_in_bytes").write_text(str(limit))
        else:
            (ROOT / "cgroup.subtree_control").write_text("+memory")
            (folder / "memory.max").write_text(str(limit))
            (folder / "memory.swap.max").write_text("0")
    except OSError:
        with contextlib.suppress(OSError):
            folder.rmdir()
        yield None
        return
    yield folder
    for _ in range(50):  # the kernel lets the last process go a moment after its end
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.1)


def within(folder, command):
    """The command, in that cgroup with all that it starts."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(folder), *command]
