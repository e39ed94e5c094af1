"""Change inputs at random: bytes, JSON, and tables of text. The same seed gives the same changes."""

import copy
import json
from collections.abc import Sequence
from random import Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1, 2**64 - 16)
_TEXTS = (
    "",
    "../../../../escaped",
    "/tmp/escaped",
    "..",
    "a\0b",
    "\x1b[2J",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "é",
    "e\u0301",
    "\ud7ff\uffff",
    "x" * 5000,
    "1e999",
    "nan",
    "-1",
    "null",
    "true",
)
_VALUES = (None, True, -1, 0, 1, 2**31, 2**63, 1e308, float("nan"), float("inf"), [], {}, [[]], *_TEXTS)
_TOKENS = (
    *(text.encode() for text in _TEXTS),
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"{",
        b"}",
        b"[",
        b"]",
    ),
    *(
        b":",
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"<<: *a",
        b"!!python/object/apply:os.system [id]",
        b"|",
        b">",
        b"#",
        b"%YAML",
    ),
    *(b"1e999", b"-1", b"0x7fffffff", b"NaN", b"[" * 3000, b"{" * 3000, b'{"a":' * 500),
)


def mutate_bytes(content: bytes, random: Random, others: Sequence[bytes] = (), most: int = 6) -> bytes:
    """Change a few places of a file: bits, numbers of any width, inserted, repeated and missing spans."""
    changed = bytearray(content)
    for _ in range(random.randint(1, most)):
        where = random.randrange(len(changed) + 1)
        span = min(random.choice((1, 2, 4, 8, 64, 1024)), len(changed) - where)
        kind = random.randrange(9)
        if kind <= 1 and where < len(changed):
            changed[where] ^= 1 << random.randrange(8)
        elif kind <= 3:
            width = random.choice((1, 2, 4, 8))
            number = random.choice(_NUMBERS) & (2 ** (8 * width) - 1)
            changed[where : where + width] = number.to_bytes(width, random.choice(("little", "big")))
        elif kind == 4:
            changed[where:where] = random.choice(_TOKENS)
        elif kind == 5:
            del changed[where : where + span]
        elif kind == 6:
            changed[where:where] = changed[where : where + span] * random.choice((1, 2, 100))
        elif kind == 7 and random.random() < 0.2:
            del changed[where:]
        elif others:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            changed[where : where + span] = other[start : start + span]
    return bytes(changed)


def mutate_json(content: bytes, random: Random, most: int = 3) -> bytes:
    """Change a few values of a JSON file, and keep it one."""
    value = json.loads(content)
    for _ in range(random.randint(1, most)):
        value = _changed(value, random)
    text = json.dumps(value)
    if random.random() < 0.05:
        text = text.replace("[]", "[" * 20_000 + "]" * 20_000, 1)
    return text.encode(errors="surrogatepass")


def _changed(value, random: Random):
    """A copy with one value somewhere in it replaced, removed, doubled or added."""
    value = copy.deepcopy(value)
    here, key, parent = value, None, None
    while isinstance(here, dict | list) and here and (parent is None or random.random() < 0.8):
        parent, key = here, random.choice(list(here) if isinstance(here, dict) else range(len(here)))
        here = parent[key]
    if parent is None:
        return random.choice(_VALUES)
    kind = random.randrange(5)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[random.choice(_TEXTS)] = parent.pop(key)
    elif kind == 1:
        parent.append(here)
    elif kind == 2 and isinstance(here, int | float) and not isinstance(here, bool):
        parent[key] = random.choice((-here, here + 1, here * 10**6, here + 0.5, str(here)))
    else:
        parent[key] = random.choice(_VALUES)
    return value
