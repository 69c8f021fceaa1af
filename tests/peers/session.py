"""MSRP sessions on TCP or TLS connections: who listens, who connects, which frame belongs to which session."""

import asyncio
import contextlib
import hashlib
import socket
import ssl

import msrp

READ = 1 << 18


class Ended(Exception):
    """A session came to its end before its message did; the text says how."""


class Tls:
    """Certificate, key and authorities of this end; any certificate of the other end is taken, its fingerprint told."""

    def __init__(self, certificate: str, key: str, authority: str | None):
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client.check_hostname, self.client.verify_mode = False, ssl.CERT_NONE
        self.fingerprint = None
        if certificate:
            for context in (self.server, self.client):
                context.load_cert_chain(certificate, key)
            with open(certificate, encoding="ascii") as file:
                self.fingerprint = fingerprint(ssl.PEM_cert_to_DER_cert(_first_certificate(file.read())))
        if authority:
            for context in (self.server, self.client):
                context.load_verify_locations(authority)
                context.verify_mode = ssl.CERT_REQUIRED


def _first_certificate(text: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return begin + text.split(begin, 1)[1].split(end, 1)[0] + end + "\n"


def fingerprint(certificate: bytes) -> str:
    """As in a=fingerprint (RFC 8122)."""
    return "SHA-256 " + hashlib.sha256(certificate).digest().hex(":").upper()


class Node:
    """The MSRP side of a peer: a listener, and the sessions that frames are given to."""

    def __init__(self, tls: Tls | None, host: str = "127.0.0.1", split: int = 0, window: int = 0):
        self.tls, self.host, self.split, self.port = tls, host, split, 0
        # Most octets the kernel keeps for us: a slow reader is to be felt at the other end. 0: as it likes.
        self._window, self._limit = window, min(READ, window or READ)
        self.sessions: dict[str, Session] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def start(self) -> None:
        context = self.tls.server if self.tls and self.tls.fingerprint else None
        self._server = await asyncio.start_server(self._accepted, self.host, 0, limit=self._limit, backlog=1024, ssl=context)
        self._narrow(self._server.sockets[0])
        self.port = self._server.sockets[0].getsockname()[1]

    def _narrow(self, plain: socket.socket) -> None:
        if self._window:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._run(Connection(self, reader, writer))

    async def _run(self, connection: "Connection") -> None:
        self._connections.add(connection)
        try:
            await connection.read()
        finally:
            self._connections.discard(connection)

    def open(self, port: int | None = None) -> "Session":
        """A session of ours under a name nobody can guess; a side that connects has no port of its own to tell."""
        scheme, name = ("msrps" if self.tls else "msrp"), msrp.identifier("s")
        session = Session(self, f"{scheme}://{self.host}:{self.port if port is None else port}/{name};tcp")
        self.sessions[name] = session
        return session

    def alias(self, session: "Session") -> str:
        """One more URI of a session: that of the relay before it, which is us as well."""
        name = msrp.identifier("r")
        self.sessions[name] = session
        return session.uri.replace(msrp.session_id(session.uri), name)

    async def connect(self, uri: str) -> "Connection":
        secure, host, port = msrp.authority(uri)
        plain = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        plain.setblocking(False)
        self._narrow(plain)
        try:
            await asyncio.get_running_loop().sock_connect(plain, (host, port))
            context = self.tls.client if secure else None
            name = "" if secure else None
            reader, writer = await asyncio.open_connection(sock=plain, limit=self._limit, ssl=context,
                                                           server_hostname=name)
        except BaseException:
            plain.close()
            raise
        connection = Connection(self, reader, writer)
        connection.reading = asyncio.create_task(self._run(connection))
        return connection

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()


class Connection:
    """One TCP or TLS connection; several sessions may share it."""

    def __init__(self, node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.node, self._reader, self._writer = node, reader, writer
        self._sessions: set[Session] = set()
        self._turn = asyncio.Lock()
        self.reading: asyncio.Task | None = None
        self.waiting: dict[str, asyncio.Future] = {}

    def peer_fingerprint(self) -> str | None:
        secure = self._writer.get_extra_info("ssl_object")
        certificate = secure.getpeercert(binary_form=True) if secure else None
        return fingerprint(certificate) if certificate else None

    async def write(self, octets: bytes) -> None:
        step = self.node.split or len(octets) or 1
        for at in range(0, len(octets), step):
            self._writer.write(octets[at:at + step])
            await self._writer.drain()

    def turn(self) -> asyncio.Lock:
        """Held while a chunk is written: frames of several sessions must not mix."""
        return self._turn

    def abort(self) -> None:
        """Closed without another word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), 2)

    def join(self, session: "Session") -> None:
        self._sessions.add(session)

    async def read(self) -> None:
        """Gives every frame to its session until the connection ends."""
        reason, parser, target = "connection closed by the other end", msrp.Parser(), None
        try:
            while octets := await self._reader.read(READ):
                for event in parser.feed(octets):
                    if isinstance(event, msrp.Head):
                        target = await self._frame(event)
                    elif target:
                        await (target.data(event.octets) if isinstance(event, msrp.Data) else target.end(event.flag))
        except (OSError, msrp.FrameError, Ended) as error:
            reason = f"connection lost: {error!r}"
        finally:
            self._gone(reason)

    async def _frame(self, head: msrp.Head):
        """What takes the data and the end of this frame; None if nobody wants them."""
        if head.status is not None:
            waiting = self.waiting.pop(head.transaction, None)
            if waiting and not waiting.done():
                waiting.set_result((head.status, head.comment))
            return None
        names = [msrp.session_id(uri) for uri in head.path("to-path")[:1]]
        session = self.node.sessions.get(names[0]) if names else None
        if head.method not in ("SEND", "REPORT"):
            return Refusal(self, head, 501)
        if session is None:
            return Refusal(self, head, 481)
        if not session.bind(self):
            return Refusal(self, head, 506)
        return session.frame(self, head)

    def _gone(self, reason: str) -> None:
        self.abort()
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(Ended(reason))
                waiting.exception()
        for session in self._sessions:
            session.lost(self, reason)


class Refusal:
    """Takes a frame nobody wants, and says so at its end."""

    def __init__(self, connection: Connection, head: msrp.Head, status: int):
        self._connection, self._head, self._status = connection, head, status

    async def data(self, octets: bytes) -> None:
        pass

    async def end(self, flag: str) -> None:
        if self._head.method != "REPORT":
            async with self._connection.turn():
                await self._connection.write(msrp.response(self._head, self._status))


class Binding:
    """An empty SEND, which only says whose connection this is (RFC 4975 section 5.4)."""

    def __init__(self, session: "Session", connection: Connection, head: msrp.Head):
        self._session, self._connection, self._head = session, connection, head

    async def data(self, octets: bytes) -> None:
        pass

    async def end(self, flag: str) -> None:
        async with self._connection.turn():
            await self._connection.write(msrp.response(self._head, 200))
        self._session.bound.set()


class Report:
    """A REPORT of the other end: noted."""

    def __init__(self, session: "Session", head: msrp.Head):
        self._session, self._head = session, head

    async def data(self, octets: bytes) -> None:
        pass

    async def end(self, flag: str) -> None:
        self._session.reports.append(self._head.headers)
        self._session.reported.set()


class Session:
    """One MSRP session: bound to at most one connection at a time."""

    def __init__(self, node: Node, uri: str):
        self.node, self.uri = node, uri
        self.peer: list[str] = []
        self.connection: Connection | None = None
        self.bound, self.reported = asyncio.Event(), asyncio.Event()
        self.reports: list[dict[str, str]] = []
        self.ended: asyncio.Future = asyncio.get_running_loop().create_future()
        # Makes what takes a SEND with content; None: this end takes none.
        self.reception = None

    def bind(self, connection: Connection) -> bool:
        """Whether this connection may be the session's: the first is, another one is not."""
        if self.connection not in (None, connection):
            return False
        self.connection = connection
        connection.join(self)
        return True

    def frame(self, connection: Connection, head: msrp.Head):
        if head.method == "REPORT":
            return Report(self, head)
        if "content-type" not in head.headers:
            return Binding(self, connection, head)
        self.bound.set()
        return self.reception(connection, head) if self.reception else Refusal(connection, head, 403)

    def lost(self, connection: Connection, reason: str) -> None:
        if self.connection is connection:
            self.end(reason)

    def end(self, reason: str) -> None:
        if not self.ended.done():
            self.ended.set_result(reason)

    async def until(self, what, patience: float, name: str):
        """Waits for something of this session, unless the session ends before, or patience does."""
        task = asyncio.ensure_future(what)
        done, _ = await asyncio.wait({task, self.ended}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            return task.result()
        task.cancel()
        raise Ended(self.ended.result() if self.ended.done() else f"{name} did not come within {patience:g} s")

    async def request(self, connection: Connection, what: str, *headers: tuple[str, str], to: list[str] | None = None):
        """An empty SEND; gives the future of its answer."""
        transaction = msrp.identifier()
        answer = connection.waiting[transaction] = asyncio.get_running_loop().create_future()
        text = msrp.head(transaction, what, to or self.peer, [self.uri], *headers) + msrp.end_line(transaction, "$")
        async with connection.turn():
            await connection.write(text)
        return answer

    async def bind_by_sending(self, connection: Connection, to: list[str] | None = None):
        headers = (("Message-ID", msrp.identifier("b")), ("Byte-Range", "1-0/0"))
        return await self.request(connection, "SEND", *headers, to=to)

    def forget(self) -> None:
        for name in [name for name, session in self.node.sessions.items() if session is self]:
            del self.node.sessions[name]
        self.end("closed")
