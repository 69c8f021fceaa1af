"""MSRP frames (RFC 4975 sections 7 and 9): read from a stream that is cut anywhere, and written."""

import secrets
from dataclasses import dataclass, field

HEADS_MAX = 16 << 10
FLAGS = b"$+#"


class FrameError(Exception):
    """The stream is no MSRP; nothing after it can be trusted."""


@dataclass
class Head:
    """The start line and the headers of a request or a response."""

    transaction: str
    method: str | None = None
    status: int | None = None
    comment: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> list[str]:
        return self.headers.get(name, "").split()

    def byte_range(self) -> tuple[int, int | None, int | None]:
        """Start (the first octet is 1), end and total; None for `*`. Absent: 1-*/* (section 7.3.1)."""
        text = self.headers.get("byte-range", "1-*/*")
        start, _, rest = text.partition("-")
        end, _, total = rest.partition("/")
        return int(start), None if end == "*" else int(end), None if total == "*" else int(total)


@dataclass
class Data:
    octets: bytes


@dataclass
class End:
    flag: str


class Parser:
    """Gives heads, data and ends. However the stream is cut, data joined together is the same."""

    def __init__(self):
        self._buffer = bytearray()
        self._marker = None

    def feed(self, octets: bytes) -> list[Head | Data | End]:
        self._buffer += octets
        events = []
        while self._in_body(events) if self._marker else self._in_head(events):
            pass
        return events

    def _in_head(self, events: list) -> bool:
        line_end = self._buffer.find(b"\r\n")
        if line_end < 0:
            return self._wait(HEADS_MAX)
        head = _start_line(bytes(self._buffer[:line_end]))
        marker = b"\r\n-------" + head.transaction.encode()
        # Either an empty line and then a body, or the end-line at once.
        blank, end = self._buffer.find(b"\r\n\r\n", line_end), self._buffer.find(marker, line_end)
        if blank < 0 and end < 0:
            return self._wait(HEADS_MAX)
        has_body = blank >= 0 and (end < 0 or blank < end)
        stop = blank if has_body else end
        head.headers = _headers(bytes(self._buffer[line_end + 2:stop]))
        if not has_body and len(self._buffer) < end + len(marker) + 3:
            return False
        events.append(head)
        self._marker = marker
        # The marker begins with the CRLF that ends the last header: it is left for the body's reader.
        del self._buffer[:blank + 4 if has_body else end]
        return True

    def _in_body(self, events: list) -> bool:
        at, marker = self._buffer.find(self._marker), self._marker
        while at >= 0:
            tail = self._buffer[at + len(marker):at + len(marker) + 3]
            if len(tail) < 3 and (not tail or tail[0] in FLAGS):
                return self._emit(at, events) and False
            if tail[0] in FLAGS and tail[1:] == b"\r\n":
                self._emit(at, events)
                del self._buffer[:len(marker) + 3]
                events.append(End(chr(tail[0])))
                self._marker = None
                return bool(self._buffer)
            at = self._buffer.find(marker, at + 1)
        # The last octets may be the beginning of the end-line.
        self._emit(max(len(self._buffer) - len(marker) - 3, 0), events)
        return False

    def _emit(self, length: int, events: list) -> bool:
        if length:
            events.append(Data(bytes(self._buffer[:length])))
            del self._buffer[:length]
        return True

    def _wait(self, limit: int) -> bool:
        if len(self._buffer) > limit:
            raise FrameError(f"no end of a head within {limit} octets: {bytes(self._buffer[:80])!r}")
        return False


def _start_line(line: bytes) -> Head:
    words = line.decode("utf-8", "replace").split(" ", 3)
    if len(words) < 3 or words[0] != "MSRP" or not 4 <= len(words[1]) <= 32:
        raise FrameError(f"no start line of MSRP: {line[:80]!r}")
    if len(words[2]) == 3 and words[2].isdigit():
        return Head(words[1], status=int(words[2]), comment=" ".join(words[3:]))
    return Head(words[1], method=words[2])


def _headers(block: bytes) -> dict[str, str]:
    lines = [line for line in block.decode("utf-8", "replace").split("\r\n") if line]
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise FrameError(f"no header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    if list(headers)[:2] != ["to-path", "from-path"]:
        raise FrameError(f"To-Path and From-Path must come first: {list(headers)}")
    return headers


def identifier(prefix: str = "") -> str:
    """A transaction, message or session identifier nobody else has (section 9: ident)."""
    return prefix + secrets.token_hex(8)


def head(transaction: str, what: str, to_path: list[str], from_path: list[str], *headers: tuple[str, str]) -> bytes:
    """The start line and headers; after it an empty line and data, or the end-line."""
    lines = [f"MSRP {transaction} {what}", f"To-Path: {' '.join(to_path)}", f"From-Path: {' '.join(from_path)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "".join(line + "\r\n" for line in lines).encode()


def end_line(transaction: str, flag: str) -> bytes:
    return f"-------{transaction}{flag}\r\n".encode()


def response(request: Head, status: int, comment: str = "") -> bytes:
    """The answer to a request: from hop to hop, so only the nearest URI of each path (section 7.2)."""
    comment = comment or {200: "OK"}.get(status, "As the test says")
    to_path, from_path = request.path("from-path")[:1], request.path("to-path")[:1]
    return head(request.transaction, f"{status} {comment}", to_path, from_path) + end_line(request.transaction, "$")


def report(request: Head, start: int, end: int, total: int) -> bytes:
    """A success report about these octets of a message (section 7.1.2): it goes the whole way back."""
    transaction = identifier()
    headers = (
        ("Message-ID", request.headers.get("message-id", "")),
        ("Byte-Range", f"{start}-{end}/{total}"),
        ("Status", "000 200 OK"),
    )
    text = head(transaction, "REPORT", request.path("from-path"), request.path("to-path")[-1:], *headers)
    return text + end_line(transaction, "$")


def authority(uri: str) -> tuple[bool, str, int]:
    """Whether TLS is wanted, host and port of an MSRP URI."""
    scheme, _, rest = uri.partition("://")
    place = rest.partition("/")[0].rpartition("@")[2].partition(";")[0]
    host, _, port = place.rpartition(":")
    return scheme.lower() == "msrps", host.strip("[]"), int(port)


def session_id(uri: str) -> str:
    """The session-id of an MSRP URI: compared by case, alone (RFC 6714)."""
    return uri.partition("://")[2].partition("/")[2].partition(";")[0]
