"""Breaks the contract in every way that Python can, on request.

The parameter `does` names the misdeed and `when` the step at which `observe`
strikes. Until then, and with `does = nothing`, it is a well-behaved detector:
it reports every value above ten.
"""

import os
import random
import socket
import sys
from time import time

from runwatch_detector import Detector, Finding, Interest, Parameter, Refused


def good(row):
    return Finding.warning(
        "high", row, title="High", message="high", recommendation="Look at it."
    )


def recurse(depth):
    return recurse(depth + 1) + depth


def lookup(key):
    return {"a": 1}[key]


class Hostile(Detector):
    name = "hostile-python"
    summary = "Breaks the contract on request"
    parameters = [
        Parameter.text("does", "nothing", doc="See tests/hostile."),
        Parameter.integer("when", 0, doc="The step."),
    ]

    def __init__(self, run, parameters):
        self.does = parameters["does"]
        self.when = parameters["when"]
        if self.does == "refuse":
            raise Refused("I cannot use these parameters")
        if self.does == "raise-open":
            raise OSError("not even begun")

    def interests(self):
        return [Interest.metric("*")]

    def observe(self, batch):
        for point in batch.points():
            if point.value > 10:
                yield good(point.row)
            if point.step == self.when:
                yield from self.strike(point)

    def strike(self, point):
        match self.does:
            case "loop":
                while True:
                    pass
            case "memory":
                eaten = []
                while True:
                    eaten.append(bytearray(1 << 20))
            case "recurse":
                recurse(0)
            case "deeper":
                sys.setrecursionlimit(10**9)
                recurse(0)
            case "raise":
                print("about to fail:", point.value)
                lookup("b")
            case "chain":
                try:
                    lookup("b")
                except KeyError as error:
                    raise ValueError("no such\nkey") from error
            case "exit":
                sys.exit(3)
            case "abort":
                os.abort()
            case "no-recommendation":
                yield Finding.warning("high", point.row, title="High", message="high")
            case "bad-row":
                yield good(17)
            case "wrong-type":
                yield Finding.warning("high", point.row, title=5, recommendation="Look at it.")
            case "flood":
                for _ in range(1000):
                    yield good(point.row)
            case "file":
                open("/etc/passwd").read()
            case "folder":
                os.listdir("/etc")
            case "socket":
                socket.socket().connect(("127.0.0.1", 80))
            case "import":
                import decimal  # noqa: F401
            case "print":
                sys.stderr.write("half a ")
                sys.stderr.write("line\nand another")
                print("and all", flush=True)
                raise RuntimeError
            case "look-around":
                seen = f"time {time()}, dice {random.random()}"
                yield Finding.warning(
                    "seen", point.row, title="Seen", message=seen, recommendation="Look at it."
                )

    def save(self):
        return "text" if self.does == "state" else None
