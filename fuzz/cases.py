"""Packs the cases of a fuzz target for the tests, and unpacks them for fuzzing.

    python3 fuzz/cases.py unpack NAME            into fuzz/corpus/decode_NAME/
    python3 fuzz/cases.py pack NAME FILE...      at the end of tests/decode/cases/NAME.txt
"""

import hashlib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAMED = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r", 0x22: '\\"', 0x27: "\\'", 0x5C: "\\\\"}
BYTES = {name: byte for byte, name in NAMED.items()}


def escape(byte):
    plain = chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
    return NAMED.get(byte, plain)


def unescape(match):
    escape = match.group()
    return chr(BYTES[escape] if escape in BYTES else int(escape[2:], 16))


def packed(name):
    return ROOT / "tests/decode/cases" / f"{name}.txt"


def unpack(name):
    folder = ROOT / "fuzz/corpus" / f"decode_{name}"
    folder.mkdir(parents=True, exist_ok=True)
    for line in packed(name).read_text().splitlines():
        case = re.sub(r"\\(?:x[0-9a-f]{2}|.)", unescape, line).encode("latin-1")
        (folder / hashlib.sha1(case).hexdigest()).write_bytes(case)


def pack(name, files):
    known = packed(name).read_text().splitlines() if packed(name).exists() else []
    for file in files:
        line = "".join(map(escape, pathlib.Path(file).read_bytes()))
        if line not in known:
            known.append(line)
    packed(name).write_text("".join(line + "\n" for line in known))


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("pack", "unpack"):
        sys.exit(__doc__)
    if sys.argv[1] == "unpack":
        unpack(sys.argv[2])
    else:
        pack(sys.argv[2], sys.argv[3:])
