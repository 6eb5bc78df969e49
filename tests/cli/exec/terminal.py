"""A user at a terminal, and the shell between the user and runwatch.

Usage: terminal.py COLUMNS LINES SCRIPT COMMAND...

SCRIPT is a JSON list of [text to wait for, what to do]: text is typed, and
{"size": [columns, lines]} changes the window. Prints what the terminal shows.
"""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

PATIENCE = 100


def resize(fd, columns, lines):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def await_stop(group):
    """All of the group stop, some a moment after the first."""
    began = time.time()
    while time.time() - began < PATIENCE:
        states = set()
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % name) as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[2]) == group:
                states.add(fields[0])
        if states <= {"T", "Z"}:
            return
        time.sleep(0.01)


def shell(command):
    """Runs a command in the foreground, and again after each stop."""
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(command[0], command)
    try:
        os.setpgid(child, child)
    except OSError:
        pass
    while True:
        os.tcsetpgrp(0, child)
        _, status = os.waitpid(child, os.WUNTRACED)
        foreground = os.tcgetpgrp(0)
        os.tcsetpgrp(0, os.getpgrp())
        if not os.WIFSTOPPED(status):
            break
        await_stop(child)
        print("[stopped]" if foreground == child else "[stopped, terminal kept]", flush=True)
        sys.stdin.readline()
        os.tcsetpgrp(0, child)
        os.kill(-child, signal.SIGCONT)
        print("[continued]", flush=True)
    print("[ended %d, terminal %s]" % (status, "back" if foreground == child else "kept"), flush=True)


def main():
    columns, lines, script, command = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4:]
    size, resized = os.pipe()
    pid, fd = pty.fork()
    if pid == 0:
        os.read(size, 1)
        shell(command)
        os._exit(0)
    resize(fd, int(columns), int(lines))
    os.write(resized, b"x")
    shown, seen, began = b"", 0, time.time()
    while time.time() - began < PATIENCE:
        if script:
            at = shown.find(script[0][0].encode(), seen)
            if at >= 0:
                seen = at + len(script[0][0])
                action = script.pop(0)[1]
                if isinstance(action, dict):
                    resize(fd, *action["size"])
                else:
                    os.write(fd, action.encode())
                continue
        if select.select([fd], [], [], 0.2)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:
                break
            if not more:
                break
            shown += more
    else:
        shown += b"[too slow]"
        os.kill(pid, signal.SIGKILL)
    sys.stdout.buffer.write(shown)


main()
