"""A message's octets, made again from a seed at any position, so that a sender need not hold them in memory."""

import hashlib
import random

BLOCK = 1 << 16

# What a careless reader of MSRP frames falls over: end-lines that are none, lines that look like a start, NUL octets.
TRAPS = (
    b"\r\n-------", b"\r\n-------0000$\r\n", b"\r\n\r\nMSRP a786hjs2 SEND\r\n", b"\x00\x00",
    b"\r\n--------------\r\n", b"\r",
)


def _base(seed: int, content_type: str) -> bytes:
    """The block that all others are made of: text in lines, or any octets with traps among them."""
    generator = random.Random(seed)
    if content_type.startswith("text/"):
        letters = bytes(generator.choices(b"abcdefghijklmnopqrstuvwxyz      ", k=BLOCK))
        return b"\r\n".join(letters[at:at + 70] for at in range(0, BLOCK, 70))[:BLOCK]
    block = bytearray(generator.randbytes(BLOCK))
    for number in range(24):
        trap = TRAPS[number % len(TRAPS)]
        at = generator.randrange(64, BLOCK - 64)
        block[at:at + len(trap)] = trap
    return bytes(block)


class Content:
    """A message/cpim message of `size` octets in all (RFC 3862): its head, then blocks numbered by their place."""

    def __init__(self, size: int, seed: int, sender: str, recipient: str, content_type: str, imdn: bool, anonymous: bool):
        self.message_id = f"Mp{seed:x}x{size:x}"
        self.content_type = content_type
        shown = "sip:anonymous@anonymous.invalid" if anonymous else sender
        wanted = "imdn.Disposition-Notification: positive-delivery, negative-delivery\r\n" if imdn else ""
        before = (
            f"From: <{shown}>\r\nTo: <{recipient}>\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
            f"imdn.Message-ID: {self.message_id}\r\nDateTime: 2010-03-02T09:20:41Z\r\n{wanted}\r\n"
            f"Content-Type: {content_type}\r\n"
        ).encode()
        self.head = self._with_length(before, size)
        self.size = size
        self._block = _base(seed, content_type)

    @staticmethod
    def _with_length(before: bytes, size: int) -> bytes:
        """The head with the Content-Length that makes the whole `size` octets long."""
        for digits in range(1, 12):
            inner = size - len(before) - len(b"Content-Length: \r\n\r\n") - digits
            if inner >= 0 and len(str(inner)) == digits:
                return before + b"Content-Length: %d\r\n\r\n" % inner
        for digits in range(1, 12):
            # Between two lengths of the number: one leading zero closes the gap.
            inner = size - len(before) - len(b"Content-Length: \r\n\r\n") - digits
            if inner >= 0:
                return before + b"Content-Length: %0*d\r\n\r\n" % (digits, inner)
        raise ValueError(f"a CPIM message of {size} octets has no room for its own head")

    def read(self, start: int, end: int) -> bytes:
        """The octets from `start` (the first is 0) up to, not including, `end`."""
        pieces = [self.head[start:end]]
        at, stop = max(start - len(self.head), 0), min(end, self.size) - len(self.head)
        while at < stop:
            number, offset = divmod(at, BLOCK)
            length = min(BLOCK - offset, stop - at)
            piece = self._block[offset:offset + length]
            mark = b"%07d " % (number % 10_000_000)
            if offset < len(mark):
                piece = (mark[offset:] + piece[len(mark) - offset:])[:length]
            pieces.append(piece)
            at += length
        return b"".join(pieces)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for at in range(0, self.size, BLOCK):
            digest.update(self.read(at, min(at + BLOCK, self.size)))
        return digest.hexdigest()


class FileContent:
    """A file's octets, sent as they are."""

    def __init__(self, path: str, content_type: str):
        with open(path, "rb") as file:
            self._octets = file.read()
        self.size = len(self._octets)
        self.content_type = content_type
        self.message_id = "Mf" + hashlib.sha256(self._octets).hexdigest()[:12]

    def read(self, start: int, end: int) -> bytes:
        return self._octets[start:end]

    def sha256(self) -> str:
        return hashlib.sha256(self._octets).hexdigest()
