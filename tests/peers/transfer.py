"""One message over an MSRP session: cut into SENDs and sent, or taken and put together, with what tests do wrong."""

import asyncio
import collections
import hashlib
import random

import msrp
from session import Connection, Ended, Session

PIECE = 1 << 16
TOLD_CHUNKS_MAX = 64


def chunks(size: int, chunk: int, order: str) -> list[tuple[int, int]]:
    """The octets of each SEND: start and end as in slices, in the order of sending."""
    if size == 0:
        return [(0, 0)]
    if order == "overlap":
        step = max(chunk // 2, 1)
        starts = range(0, max(size - chunk, 0) + step, step)
        return [(at, min(at + chunk, size)) for at in starts if at < size]
    plan = [(at, min(at + chunk, size)) for at in range(0, size, chunk)]
    if order == "reverse":
        plan.reverse()
    elif order.startswith("shuffle"):
        random.Random(order.partition(":")[2]).shuffle(plan)
    return plan


class Misbehaviour(Exception):
    """What the sender was asked to do wrong has been done."""


class Transmission:
    """Sends one message and tells how it went."""

    def __init__(self, session: Session, connection: Connection, content, options, gate):
        self._session, self._connection, self._content = session, connection, content
        self._options, self._gate = options, gate
        self._unanswered, self._answer = 0, asyncio.Event()
        self.statuses: collections.Counter = collections.Counter()
        self.chunks: list[list] = []
        self.sent = 0
        self._began = 0.0
        self._failed = False

    async def run(self, to: list[str]) -> None:
        """All chunks sent and answered, and the report there if one was asked for."""
        options, loop = self._options, asyncio.get_running_loop()
        self._began = loop.time()
        try:
            plan = chunks(self._content.size, options.chunk, options.order)
            for start, end in plan:
                if self._failed or self._session.ended.done():
                    break
                await self._send(to, start, end)
        except OSError as error:
            self._session.end(f"connection lost: {error!r}")
        if options.failure_report in ("no", "partial"):
            # Nothing says when it is there: a moment for what is on its way.
            await asyncio.sleep(0.3)
        while self._unanswered and not self._failed and options.failure_report not in ("no", "partial"):
            self._answer.clear()
            await self._session.until(self._answer.wait(), options.patience, "the answer to a SEND")
        bad = [status for status in self.statuses if status != 200]
        if bad:
            raise Ended(f"MSRP status {bad[0]}")
        if len(self.chunks) < len(plan):
            raise Ended(self._session.ended.result() if self._session.ended.done() else "not everything was sent")
        if options.success_report == "yes":
            await self._reported(loop.time() + options.patience)

    async def _reported(self, deadline: float) -> None:
        """Success reports for every octet: one for all, or several that cover them (section 7.1.2)."""
        while True:
            covered = 0
            for start, end in sorted(_reported_range(report) for report in self._session.reports):
                covered = max(covered, end) if start <= covered + 1 else covered
            if covered >= self._content.size:
                return
            self._session.reported.clear()
            left = max(deadline - asyncio.get_running_loop().time(), 0.01)
            await self._session.until(self._session.reported.wait(), left, "the success report")

    async def _send(self, to: list[str], start: int, end: int) -> None:
        content, transaction = self._content, msrp.identifier()
        answer = self._connection.waiting[transaction] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(self._answered)
        self._unanswered += 1
        async with self._connection.turn():
            head = msrp.head(transaction, "SEND", to, [self._session.uri], *self._headers(start, end))
            await self._connection.write(head + b"\r\n")
            flag = await self._data(start, end)
            flag = flag or ("$" if end == content.size else "+")
            self.chunks.append([start + 1, start + self._written, flag])
            await self._connection.write(b"\r\n" + msrp.end_line(transaction, flag))
        if flag == "#" and not self._failed:
            await asyncio.wait({answer, self._session.ended}, timeout=self._options.patience,
                               return_when=asyncio.FIRST_COMPLETED)
            raise Misbehaviour(f"aborted with # after {self.sent} octets")

    def _headers(self, start: int, end: int) -> list[tuple[str, str]]:
        options, size = self._options, self._content.size
        # A chunk of more than 2048 octets must be interruptible: its end is not said (section 5.1).
        last = "*" if end - start > 2048 or options.unknown_total else str(end)
        total = "*" if options.unknown_total else str(size)
        headers = [("Message-ID", self._content.message_id)]
        if options.success_report:
            headers.append(("Success-Report", options.success_report))
        if options.failure_report:
            headers.append(("Failure-Report", options.failure_report))
        headers.append(("Byte-Range", f"{start + 1}-{last}/{total}"))
        if options.content_disposition:
            headers.append(("Content-Disposition", options.content_disposition))
        return [*headers, ("Content-Type", options.msrp_type)]

    async def _data(self, start: int, end: int) -> str | None:
        """The octets of a chunk; a flag if they were cut short."""
        at, piece, self._written = start, _piece(self._options.rate), 0
        while at < end:
            if self._failed:
                return "#"
            stop = min(at + piece, end, at + self._until_next())
            await self._connection.write(self._content.read(at, stop))
            self.sent += stop - at
            at, self._written = stop, stop - start
            if await self._misbehave():
                return "#"
            await _pace(self._options.rate, self.sent, self._began)
        return None

    def _until_next(self) -> int:
        """Octets until the place where something is to happen."""
        options = self._options
        places = (options.abort_after, options.close_after, options.stall_after, options.hold_at, options.bye_after)
        return min((place - self.sent for place in places if place is not None and place > self.sent), default=PIECE)

    async def _misbehave(self) -> bool:
        options, sent = self._options, self.sent
        if options.hold_at == sent:
            self._began += await self._gate.hold()
        if options.abort_after == sent:
            return True
        if options.close_after == sent:
            self._connection.abort()
            raise Misbehaviour(f"connection closed after {sent} octets")
        if options.bye_after == sent:
            raise Misbehaviour(f"BYE after {sent} octets")
        if options.stall_after == sent:
            end = asyncio.shield(self._session.ended)
            reason = await self._session.until(end, options.patience, "the end of the stalled session")
            raise Misbehaviour(f"stalled after {sent} octets: {reason}")
        return False

    def _answered(self, answer: asyncio.Future) -> None:
        if answer.cancelled() or answer.exception():
            return
        status = answer.result()[0]
        self.statuses[status] += 1
        self._unanswered -= 1
        self._failed |= status != 200
        self._answer.set()


def _reported_range(report: dict[str, str]) -> tuple[int, int]:
    start, _, rest = report.get("byte-range", "1-0/0").partition("-")
    good = report.get("status", "").startswith("000 200")
    return int(start), int(rest.partition("/")[0]) if good else 0


def _piece(rate: int | None) -> int:
    return PIECE if not rate else max(1, min(PIECE, rate // 10))


async def _pace(rate: int | None, done: int, began: float) -> None:
    if rate:
        ahead = began + done / rate - asyncio.get_running_loop().time()
        if ahead > 0:
            await asyncio.sleep(ahead)


class Assembly:
    """Puts octets together by position; what is in order is digested and forgotten."""

    def __init__(self):
        self.digest, self.length, self.total = hashlib.sha256(), 0, None
        self.head, self.repeated = b"", 0
        self._ahead: dict[int, bytes] = {}

    def write(self, position: int, octets: bytes) -> None:
        if position > self.length:
            known = self._ahead.get(position, b"")
            self._ahead[position] = max(known, octets, key=len)
            return
        self._append(position, octets)
        while self._ahead and (at := min(self._ahead)) <= self.length:
            self._append(at, self._ahead.pop(at))

    def _append(self, position: int, octets: bytes) -> None:
        fresh = octets[self.length - position:]
        self.repeated += len(octets) - len(fresh)
        if len(self.head) < 4096:
            self.head += fresh[:4096]
        self.digest.update(fresh)
        self.length += len(fresh)

    def is_complete(self) -> bool:
        return self.total is not None and self.length == self.total


class Reception:
    """Takes one message; misbehaves as asked."""

    def __init__(self, session: Session, options, gate):
        self._options, self._gate, self.session = options, gate, session
        self.strict = options.strict
        self.assembly, self.received = Assembly(), 0
        self.headers: dict[str, str] = {}
        self.chunks: list[list] = []
        self.statuses: collections.Counter = collections.Counter()
        self.problems: list[str] = []
        # Our URIs as we gave them in a=path.
        self.path = [session.uri]
        self.done = asyncio.Event()
        self.misbehaved: asyncio.Future = asyncio.get_running_loop().create_future()
        self.began: float | None = None
        session.reception = lambda connection, head: Chunk(self, connection, head)

    def misbehave(self, what: str) -> None:
        if not self.misbehaved.done():
            self.misbehaved.set_result(what)

    def begins(self, head: msrp.Head) -> None:
        self.began = self.began or asyncio.get_running_loop().time()
        first = self.headers or head.headers
        for name in ("message-id", "content-type", "from-path", "to-path"):
            if first.get(name) != head.headers.get(name):
                self.problems.append(f"{name} changed from {first.get(name)} to {head.headers.get(name)}")
        self.headers = first
        if head.path("to-path") != self.path:
            self.problems.append(f"To-Path is {head.path('to-path')}, not {self.path}")
        if head.path("from-path") != self.session.peer:
            self.problems.append(f"From-Path is {head.path('from-path')}, not {self.session.peer}")

    async def takes(self, connection: Connection, position: int, octets: bytes) -> None:
        options = self._options
        if options.never_read:
            await asyncio.wait([self.session.ended], timeout=options.patience)
        before, self.received = self.received, self.received + len(octets)
        self.assembly.write(position, octets)
        if options.hold_at is not None and before < options.hold_at <= self.received:
            self.began += await self._gate.hold()
        if options.close_after is not None and self.received >= options.close_after:
            self.misbehave(f"connection closed after {self.received} octets")
            connection.abort()
        if options.bye_after is not None and self.received >= options.bye_after:
            self.misbehave(f"BYE after {self.received} octets")
        if options.rate:
            await _pace(options.rate, self.received, self.began)

    def status(self) -> int | None:
        """What to answer to the chunk that has just ended; None: nothing."""
        options = self._options
        if options.no_msrp_response:
            return None
        return options.msrp_status if options.msrp_status and len(self.chunks) == options.msrp_status_at else 200


class Chunk:
    """Takes one SEND of a message."""

    def __init__(self, reception: Reception, connection: Connection, head: msrp.Head):
        self._reception, self._connection, self._head = reception, connection, head
        start, self._end, self._total = head.byte_range()
        self._start = self._at = start - 1
        reception.begins(head)

    async def data(self, octets: bytes) -> None:
        at, self._at = self._at, self._at + len(octets)
        await self._reception.takes(self._connection, at, octets)

    async def end(self, flag: str) -> None:
        reception, assembly = self._reception, self._reception.assembly
        reception.chunks.append([self._start + 1, self._at, flag])
        self._check(flag)
        if flag == "#":
            await self._answer(200)
            reception.session.end("aborted by the sender with #")
            return
        total = self._total if self._total is not None else self._at if flag == "$" else None
        if total is not None:
            assembly.total = total
        status = reception.status()
        if status is not None:
            await self._answer(status)
        if assembly.is_complete() and status in (200, None) and not reception.done.is_set():
            if self._head.headers.get("success-report") == "yes" and status == 200:
                async with self._connection.turn():
                    await self._connection.write(msrp.report(self._head, 1, assembly.length, assembly.length))
            reception.done.set()

    async def _answer(self, status: int) -> None:
        wanted = self._head.headers.get("failure-report", "yes").lower()
        self._reception.statuses[status] += 1
        if wanted == "no" or (wanted == "partial" and status == 200):
            return
        async with self._connection.turn():
            await self._connection.write(msrp.response(self._head, status))
        if status != 200:
            self._reception.misbehave(f"answered chunk {len(self._reception.chunks)} with {status}")

    def _check(self, flag: str) -> None:
        """What the standard asks of a chunk, and this one lacks."""
        problems, name = self._reception.problems, f"chunk {self._start + 1}-{self._at}"
        if self._end is not None and flag != "#" and self._end != self._at:
            problems.append(f"{name} says it ends at {self._end}")
        if self._total is not None and self._at > self._total:
            problems.append(f"{name} goes beyond its total of {self._total}")
        if flag == "$" and self._total is not None and self._at != self._total:
            problems.append(f"{name} of {self._total} ends with $")
        if flag == "+" and self._at == self._total:
            problems.append(f"{name} of {self._total} is the end but has +")
        if self._end is not None and self._at - self._start > 2048 and self._reception.strict:
            problems.append(f"{name} has more than 2048 octets but cannot be interrupted")


def told(items: list) -> list:
    """The first and the last of many."""
    if len(items) <= TOLD_CHUNKS_MAX:
        return items
    return [*items[:TOLD_CHUNKS_MAX - 1], items[-1]]
