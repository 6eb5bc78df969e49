"""Lets PyTorch's wheel for CUDA be imported without NVIDIA's packages.

On Linux the registry has PyTorch for CUDA only: 0.5 GB that work on a CPU as
well, but cannot be loaded without another 3 GB of libraries. For a test on a
CPU, small libraries of the same names will do, in which every function answers
"there is no device".

    pip install --no-deps torch
    python torch_without_cuda.py

Then pip believes that torch is complete. It needs `cc` and `readelf`, and
writes to the folder of the installed torch.
"""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

NVIDIA = re.compile(r"lib(cu|nv|nccl)")
# No other library's symbols: Python's, say, must not be answered for.
FUNCTION = re.compile(r"_?_?(cu|nv|nccl|fft)")
TEXT = re.compile(r"(Error|Status)(String|Name)$|^ncclGetLastError$")
# 100 is cudaErrorNoDevice, and an error to the other libraries, too.
NO_DEVICE = "long {name}(void) {{ return 100; }}\n"
NO_DEVICE_TEXT = 'const char *{name}(void) {{ return "there is no device"; }}\n'


def main():
    folder = Path(importlib.util.find_spec("torch").submodule_search_locations[0], "lib")
    libraries = [path for path in folder.glob("*.so*") if not NVIDIA.match(path.name)]
    provided, needed, versions, wanted = set(), set(), {}, set()
    for library in libraries:
        text = readelf(library)
        needed.update(name for name in re.findall(r"\(NEEDED\).*\[(.+)\]", text) if NVIDIA.match(name))
        versions.update(version_needs(text))
        for undefined, symbol in symbols(text):
            (wanted if undefined else provided).add(symbol)

    functions = defaultdict(set)  # by library and version
    for symbol in wanted - provided:
        name, _, version = symbol.partition("@")
        if version in versions:
            functions[versions[version], version].add(name)
        elif not version and FUNCTION.match(name):
            functions[min(needed), None].add(name)
    for library in sorted(needed):
        of_it = {version: names for (file, version), names in functions.items() if file == library}
        build(folder / library, of_it)
        print(f"{library}: {sum(map(len, of_it.values()))} functions that find no device")
    forget_requirements()


def forget_requirements():
    """Or whatever needs torch would have pip install them."""
    metadata = Path(str(importlib.metadata.distribution("torch").locate_file(".")),
                    f"torch-{importlib.metadata.version('torch')}.dist-info", "METADATA")
    kept = [line for line in metadata.read_text().splitlines(keepends=True)
            if not re.match(r"Requires-Dist: (cuda|nvidia|triton)", line)]
    metadata.write_text("".join(kept))


def readelf(library):
    command = ["readelf", "--wide", "--dynamic", "--version-info", "--dyn-syms", library]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def version_needs(text):
    """Which of NVIDIA's libraries each version of a symbol is looked for in."""
    found, file = {}, None
    for line in text.splitlines():
        if match := re.search(r"Version: \d+ +File: (\S+)", line):
            file = match[1]
        elif file and NVIDIA.match(file) and (match := re.search(r"Name: (\S+) +Flags:", line)):
            found[match[1]] = file
    return found


def symbols(text):
    """Whether it is undefined, and NAME or NAME@VERSION."""
    for line in text.splitlines():
        parts = line.split()
        if len(parts) >= 8 and parts[0].endswith(":") and parts[4] in ("GLOBAL", "WEAK"):
            yield parts[6] == "UND", parts[7].replace("@@", "@")


def build(path, functions):
    """A shared library with these functions, by version."""
    with tempfile.TemporaryDirectory() as work:
        source, script = Path(work, "stub.c"), Path(work, "stub.map")
        names = sorted(set().union(*functions.values()))
        source.write_text("".join(
            (NO_DEVICE_TEXT if TEXT.search(name) else NO_DEVICE).format(name=name) for name in names
        ))
        script.write_text("".join(f"{version} {{ global: {'; '.join(sorted(of_it))}; }};\n"
                                  for version, of_it in functions.items() if version))
        command = ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{path.name}", "-o", path, source]
        if script.stat().st_size:
            command.append(f"-Wl,--version-script={script}")
        subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
