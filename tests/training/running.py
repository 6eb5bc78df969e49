"""A process that prints, as the tests see it from outside."""

import os
import subprocess
import threading
import time

PATIENCE = 180.0  # seconds; a machine under load takes half a minute to import torch


class Running:
    """A command in a folder, with what it has printed so far; it is killed when it is left."""

    def __init__(self, command, work, environment):
        self.printed = b""
        self.process = subprocess.Popen(command, cwd=work, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.printed += piece

    @property
    def text(self):
        return self.printed.decode(errors="replace")

    def wait_for(self, what, seen):
        deadline = time.monotonic() + PATIENCE
        while not seen():
            ended = self.process.poll() is not None
            if ended:
                self.reader.join()
                if seen():
                    return
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"no {what}; it printed:\n{self.text[-3000:]}")
            time.sleep(0.02)

    def wait_for_losses(self, more=3):
        before = self.text.count("loss")
        self.wait_for("steps", lambda: self.text.count("loss") >= before + more)

    def end(self):
        """Waits for its end; the exit code."""
        self.wait_for("end", lambda: self.process.poll() is not None)
        self.reader.join()
        return self.process.returncode
