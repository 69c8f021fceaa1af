"""A minimal SIP user agent over UDP and TCP (RFC 3261): messages, transactions, digest."""

import asyncio
import hashlib
import re
import secrets
from dataclasses import dataclass, field

T1, T2, TIMER_B = 0.5, 4.0, 32.0
COMPACT = {"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
           "s": "Subject", "k": "Supported"}
# Headers whose value may be a list on one line.
LISTS = ("via", "route", "record-route")


@dataclass
class Message:
    """A request or a response."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def get(self, name: str, default: str = "") -> str:
        return next((value for known, value in self.headers if known.lower() == name.lower()), default)

    def all(self, name: str) -> list[str]:
        values = [value for known, value in self.headers if known.lower() == name.lower()]
        if name.lower() in LISTS:
            return [one.strip() for value in values for one in re.split(r",(?=(?:[^\"<]|\"[^\"]*\"|<[^>]*>)*$)", value)]
        return values

    def put(self, name: str, value: str) -> None:
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()] + [(name, value)]

    def is_request(self) -> bool:
        return not self.start.startswith("SIP/2.0 ")

    def method(self) -> str:
        return self.start.split(" ")[0] if self.is_request() else self.get("CSeq").split(" ")[-1]

    def status(self) -> int:
        return int(self.start.split(" ")[1])

    def uri(self) -> str:
        return self.start.split(" ")[1]

    def branch(self) -> str:
        return parameter(self.all("Via")[0], "branch") if self.get("Via") else ""

    def to_bytes(self) -> bytes:
        lines = [self.start] + [f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length"]
        return "".join(line + "\r\n" for line in lines).encode() + b"Content-Length: %d\r\n\r\n" % len(self.body) + self.body


def parameter(value: str, name: str) -> str:
    """The value of `;name=value` after a URI in angle brackets, or in a Via."""
    found = re.search(rf";\s*{re.escape(name)}\s*=\s*([^;,>\s]+)", value.rpartition(">")[2] or value, re.IGNORECASE)
    return found[1] if found else ""


def address(value: str) -> str:
    """The URI of a name-addr or addr-spec."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.split(";")[0].strip()


def user(uri: str) -> str:
    return uri.partition(":")[2].partition("@")[0]


def place(uri: str, default: tuple[str, int] | None = None) -> tuple[str, int]:
    """Host and port of a SIP URI or of a Via's sent-by."""
    text = uri.partition(":")[2] if uri.startswith(("sip:", "sips:")) else uri
    host = text.rpartition("@")[2].partition(";")[0].partition("?")[0]
    found = re.fullmatch(r"\[?([^\]]*?)\]?(?::(\d+))?", host)
    if not found or not re.fullmatch(r"[\d.]+|[0-9a-fA-F:]+", found[1]):
        return default or ("127.0.0.1", 5060)
    return found[1], int(found[2] or 5060)


def parse(octets: bytes) -> tuple[Message, int] | None:
    """The first whole message of these octets and its length; None if it is not all there."""
    end = octets.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = re.sub(r"\r\n[ \t]+", " ", octets[:end].decode("utf-8", "replace")).split("\r\n")
    message = Message(lines[0])
    for line in lines[1:]:
        name, _, value = line.partition(":")
        message.headers.append((COMPACT.get(name.strip().lower(), name.strip()), value.strip()))
    length = int(message.get("Content-Length") or len(octets) - end - 4)
    stop = end + 4 + length
    if stop > len(octets):
        return None
    message.body = bytes(octets[end + 4:stop])
    return message, stop


def token(prefix: str = "") -> str:
    return prefix + secrets.token_hex(8)


def answer(request: Message, status: int, reason: str = "", tag: str = "") -> Message:
    """A response with what is copied from its request (section 8.2.6.2)."""
    reason = reason or {200: "OK", 100: "Trying", 486: "Busy Here"}.get(status, "As the test says")
    response = Message(f"SIP/2.0 {status} {reason}")
    for name in ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq"):
        for known, value in request.headers:
            if known.lower() == name.lower():
                if name == "To" and tag and not parameter(value, "tag"):
                    value += f";tag={tag}"
                response.headers.append((name, value))
    return response


def credentials(challenge: str, request: Message, name: str, password: str, client: str = "") -> str:
    """Authorization for a Digest challenge (RFC 2617, RFC 8760), of MD5 or SHA-256."""
    said = {key.lower(): (quoted or plain) for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', challenge)}
    algorithm = said.get("algorithm", "MD5")
    make = hashlib.sha256 if algorithm.upper().startswith("SHA-256") else hashlib.md5
    method, uri, count, client = request.method(), request.uri(), "00000001", client or secrets.token_hex(8)

    def digest(*parts: str) -> str:
        return make(":".join(parts).encode()).hexdigest()

    secret, what = digest(name, said["realm"], password), digest(method, uri)
    value = f'Digest username="{name}", realm="{said["realm"]}", nonce="{said["nonce"]}", uri="{uri}", algorithm={algorithm}'
    if "opaque" in said:
        value += f', opaque="{said["opaque"]}"'
    if "qop" not in said:
        return f'{value}, response="{digest(secret, said["nonce"], what)}"'
    response = digest(secret, said["nonce"], count, client, "auth", what)
    return f'{value}, qop=auth, nc={count}, cnonce="{client}", response="{response}"'


class Channel:
    """Where messages of one transport go: a datagram's source, or a connection."""

    def __init__(self, transport: str, send, local: tuple[str, int], is_open=lambda: True):
        self.transport, self.send, self._local, self.is_open = transport, send, local, is_open

    def is_reliable(self) -> bool:
        return self.transport == "TCP"

    def via(self) -> str:
        host, port = self._local
        return f"SIP/2.0/{self.transport} {host}:{port};branch={token('z9hG4bK-p-')};rport"


class Transaction:
    """A request that came, and what it was answered."""

    def __init__(self, agent: "Agent", request: Message, channel: Channel):
        self.agent, self.request, self.channel = agent, request, channel
        self._last: bytes | None = None

    def respond(self, response: Message) -> None:
        self._last = response.to_bytes()
        self.channel.send(self._last)

    def again(self) -> None:
        if self._last:
            self.channel.send(self._last)

    def reply(self, status: int) -> None:
        self.respond(answer(self.request, status, tag=token("p")))


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, agent: "Agent"):
        self._agent = agent

    def datagram_received(self, data: bytes, source) -> None:
        found = parse(data)
        if found:
            self._agent.receive(found[0], self._agent.udp_channel(source[:2]))


class Agent:
    """Sends requests, matches their responses, and gives the requests that come to handlers."""

    def __init__(self, server: tuple[str, int], transport: str, host: str = "127.0.0.1"):
        self.server, self.transport, self.host, self.port = server, transport.upper(), host, 0
        self.release = "CPM-client/OMA1.0"
        # What takes a request outside of any dialog.
        self.handler = lambda transaction: transaction.reply(480)
        # By Call-ID and our tag.
        self.dialogs: dict[tuple[str, str], object] = {}
        self._clients: dict[tuple[str, str], asyncio.Queue] = {}
        self._servers: dict[tuple[str, str, str], Transaction] = {}
        self._streams: dict[tuple[str, int], Channel] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()
        self._datagrams = self._listener = None

    async def start(self) -> None:
        """A UDP and a TCP socket on one port."""
        loop = asyncio.get_running_loop()
        for _ in range(20):
            self._datagrams, _ = await loop.create_datagram_endpoint(lambda: Datagrams(self), local_addr=(self.host, 0))
            self.port = self._datagrams.get_extra_info("sockname")[1]
            sock = self._datagrams.get_extra_info("socket")
            sock.setsockopt(1, 8, 8 << 20)  # SOL_SOCKET, SO_RCVBUF: a thousand calls come at once.
            try:
                self._listener = await asyncio.start_server(self._accepted, self.host, self.port, backlog=1024)
                return
            except OSError:
                self._datagrams.close()
        raise OSError("no port is free for both UDP and TCP")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
        if self._listener:
            self._listener.close()
        if self._datagrams:
            self._datagrams.close()

    def task(self, what) -> None:
        """Something to be done beside; its failure is told, not swallowed."""
        task = asyncio.create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Transports.

    def udp_channel(self, target: tuple[str, int]) -> Channel:
        return Channel("UDP", lambda octets: self._datagrams.sendto(octets, target), (self.host, self.port))

    async def channel(self, target: tuple[str, int], transport: str = "") -> Channel:
        if (transport or self.transport) == "UDP":
            return self.udp_channel(target)
        if target not in self._streams:
            reader, writer = await asyncio.open_connection(*target)
            self._streams[target] = self._stream(writer)
            self.task(self._read(reader, writer, self._streams[target], target))
        return self._streams[target]

    def _stream(self, writer: asyncio.StreamWriter) -> Channel:
        self._writers.add(writer)
        return Channel("TCP", writer.write, (self.host, self.port), lambda: not writer.is_closing())

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._read(reader, writer, self._stream(writer), None)

    async def _read(self, reader, writer, channel: Channel, target) -> None:
        buffer = b""
        try:
            while octets := await reader.read(65536):
                buffer = (buffer + octets).lstrip(b"\r\n")
                while found := parse(buffer):
                    self.receive(found[0], channel)
                    buffer = buffer[found[1]:].lstrip(b"\r\n")
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._streams.pop(target, None)
            self._writers.discard(writer)
            writer.close()

    # What comes in.

    def receive(self, message: Message, channel: Channel) -> None:
        if not message.is_request():
            self._response(message)
            return
        method, call = message.method(), message.get("Call-ID")
        dialog = self.dialogs.get((call, parameter(message.get("To"), "tag")))
        if method == "ACK":
            if dialog:
                dialog.acknowledged.set()
            return
        key = (message.branch(), message.all("Via")[0].split(";")[0], method)
        if key in self._servers:
            self._servers[key].again()
            return
        transaction = self._servers[key] = Transaction(self, message, channel)
        if dialog:
            dialog.request(transaction)
        elif method in ("BYE", "UPDATE", "CANCEL") or parameter(message.get("To"), "tag"):
            transaction.reply(481)
        else:
            self.handler(transaction)

    def _response(self, message: Message) -> None:
        waiting = self._clients.get((message.branch(), message.method()))
        if waiting:
            waiting.put_nowait(message)
        elif message.method() == "INVITE" and 200 <= message.status() < 300:
            dialog = self.dialogs.get((message.get("Call-ID"), parameter(message.get("From"), "tag")))
            if dialog:
                dialog.acknowledge()

    # Client transactions.

    async def send(self, request: Message, channel: Channel, patience: float = TIMER_B) -> Message:
        """The final response (section 17.1); a refused INVITE is acknowledged. 408 if none comes."""
        request.headers.insert(0, ("Via", channel.via()))
        key = (request.branch(), request.method())
        answers = self._clients[key] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        deadline, pause, octets, provisional = loop.time() + patience, T1, request.to_bytes(), False
        channel.send(octets)
        try:
            while (left := deadline - loop.time()) > 0:
                try:
                    wait = left if channel.is_reliable() or (provisional and key[1] == "INVITE") else min(pause, left)
                    response = await asyncio.wait_for(answers.get(), wait)
                except asyncio.TimeoutError:
                    channel.send(octets)
                    pause = pause * 2 if key[1] == "INVITE" else min(pause * 2, T2)
                    continue
                if response.status() >= 200:
                    if key[1] == "INVITE" and response.status() >= 300:
                        channel.send(acknowledgement(request, response).to_bytes())
                    return response
                provisional = True
        finally:
            del self._clients[key]
        return answer(request, 408, "No answer came")

    async def ask(self, request: Message, channel: Channel, login: tuple[str, str] | None = None) -> Message:
        """As `send`, and once more with credentials if it is challenged."""
        response = await self.send(request, channel)
        if response.status() not in (401, 407) or not login:
            return response
        number, method = request.get("CSeq").split(" ")
        challenges = response.all("WWW-Authenticate") + response.all("Proxy-Authenticate")
        request.headers.pop(0)
        request.put("CSeq", f"{int(number) + 1} {method}")
        name = "Authorization" if response.status() == 401 else "Proxy-Authorization"
        good = [one for one in challenges if "sha-512" not in one.lower()]
        request.put(name, credentials(good[0] if good else challenges[0], request, *login))
        return await self.send(request, channel)


def acknowledgement(invite: Message, response: Message) -> Message:
    """The ACK of a refusal: of the INVITE's own transaction (section 17.1.1.3)."""
    ack = Message(f"ACK {invite.uri()} SIP/2.0", [("Via", invite.all("Via")[0]), ("Max-Forwards", "70")])
    ack.headers += [("Route", value) for value in invite.all("Route")]
    ack.headers += [("From", invite.get("From")), ("To", response.get("To")), ("Call-ID", invite.get("Call-ID"))]
    ack.headers.append(("CSeq", invite.get("CSeq").split(" ")[0] + " ACK"))
    return ack
