"""What the agents in Python share: the lines that protocol.md describes."""

import asyncio
import os
import ssl
import sys
from urllib.parse import urlsplit


class Fields(dict):
    """The fields of a command; `user` has those that may be repeated."""

    def __init__(self, parts):
        super().__init__()
        self.user_properties = []
        for part in parts:
            key, _, value = part.partition("=")
            if key == "user_property":
                name, _, value = value.partition(":")
                self.user_properties.append((name, value))
            else:
                self[key] = value

    def number(self, key, default=None):
        return int(self[key]) if key in self else default

    def payloads(self):
        payload = self.get("payload", "")
        if "count" not in self:
            return [payload]
        return [f"{payload}{number}" for number in range(int(self["count"]))]

    def server(self):
        """Scheme, host and port."""
        url = urlsplit(self["url"])
        return url.scheme, url.hostname, url.port


def tls():
    return ssl.create_default_context(cafile=os.environ["PEERS_CA"])


def event(what, name, **fields):
    pairs = []
    for key, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                pairs.append(f"{key}={one}")
    # In one call: other threads print, too.
    sys.stdout.write("\t".join([what, name, *pairs]) + "\n")
    sys.stdout.flush()


def commands():
    for line in sys.stdin:
        command, name, *parts = line.rstrip("\n").split("\t")
        yield command, name, Fields(parts)


async def lines():
    """The same for asyncio."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command, name, *parts = line.decode().rstrip("\n").split("\t")
        yield command, name, Fields(parts)
