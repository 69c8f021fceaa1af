"""What senders and receivers have in common: lines of JSON, time limits, the gate of `--hold-at`, headers."""

import asyncio
import json
import sys
import uuid

import sip
from session import Ended

ICSI = "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."
REGISTERED = ",".join(ICSI + name for name in ("msg", "largemsg", "deferred", "systemmsg"))


def feature(*names: str) -> str:
    """The media feature tag of these CPM services (RFC 3840)."""
    return '+g.3gpp.icsi-ref="' + ",".join(ICSI + name for name in names) + '"'


def instance(user: str) -> str:
    return f'+sip.instance="<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, user)}>"'


class Log:
    """Writes one JSON object per line, and counts."""

    def __init__(self, out=None):
        self._out = out or sys.stdout
        self.lines: list[dict] = []

    def tell(self, **line) -> None:
        self.lines.append(line)
        print(json.dumps(line, ensure_ascii=False), file=self._out, flush=True)

    def ended(self) -> list[dict]:
        """What became of each message."""
        return [line for line in self.lines if line["event"] in ("sent", "received", "message")]

    def totals(self, seconds: float) -> bool:
        """The last line; whether everything asked for happened."""
        ended, bad = self.ended(), sum(not line.get("ok", True) for line in self.lines)
        good, size = sum(line["ok"] for line in ended), sum(line.get("octets", 0) for line in ended)
        per_second = round(size / seconds / (1 << 20), 2) if seconds else None
        self.tell(event="totals", messages=len(ended), good=good, bad=bad, octets=size,
                  seconds=round(seconds, 3), mib_per_second=per_second)
        return bad == 0


class Gate:
    """Closed until a line comes on standard input: transfers wait at it, so that all are under way at once."""

    def __init__(self, log: Log):
        self._log, self._open, self.held = log, asyncio.Event(), 0
        self._listening = False

    def is_holding(self) -> bool:
        return self.held > 0 and not self._open.is_set()

    async def hold(self) -> float:
        """How long it took."""
        began = asyncio.get_running_loop().time()
        if not self._listening:
            self._listening = True
            asyncio.get_running_loop().run_in_executor(None, self._listen, asyncio.get_running_loop())
        self.held += 1
        self._log.tell(event="held", count=self.held)
        await self._open.wait()
        return asyncio.get_running_loop().time() - began

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        sys.stdin.readline()
        loop.call_soon_threadsafe(self._open.set)


async def watched(what, progress, patience: float, gate: Gate):
    """The result of something, as long as `progress` changes within `patience` seconds, or the gate holds it."""
    task, last = asyncio.ensure_future(what), progress()
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=patience)
            if done:
                return task.result()
            if progress() == last and not gate.is_holding():
                raise Ended(f"no progress within {patience:g} s")
            last = progress()
    finally:
        task.cancel()


def headers_of(message: sip.Message) -> dict[str, str | list[str]]:
    """For a line of the log; a header that is there several times is a list."""
    headers: dict[str, str | list[str]] = {}
    for name, value in message.headers:
        known = headers.get(name)
        headers[name] = value if known is None else [*(known if isinstance(known, list) else [known]), value]
    return headers


def login(options, user: str) -> tuple[str, str] | None:
    """User name and password of --digest; `{user}` in them is the user part of this address."""
    if not options.digest:
        return None
    name, _, password = options.digest.replace("{user}", sip.user(user)).partition(":")
    return name, password
