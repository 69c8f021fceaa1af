"""Session descriptions with one MSRP medium (RFC 4566, RFC 4975 section 8, RFC 6135, RFC 5547's size)."""

from dataclasses import dataclass, field


@dataclass
class Media:
    """The m=message line and what belongs to it."""

    path: list[str] = field(default_factory=list)
    port: int = 9
    address: str = "127.0.0.1"
    secure: bool = False
    setup: str | None = None
    direction: str = "sendrecv"
    accept_types: list[str] = field(default_factory=lambda: ["message/cpim"])
    size: int | None = None
    max_size: int | None = None
    fingerprint: str | None = None
    cema: bool = True

    def protocol(self) -> str:
        return "TCP/TLS/MSRP" if self.secure else "TCP/MSRP"

    def write(self) -> str:
        kind = "IP6" if ":" in self.address else "IP4"
        lines = [
            "v=0", f"o=- 8812 1 IN {kind} {self.address}", "s=-", f"c=IN {kind} {self.address}", "t=0 0",
            f"m=message {self.port} {self.protocol()} *",
            f"a=accept-types:{' '.join(self.accept_types)}",
            f"a=path:{' '.join(self.path)}",
        ]
        if self.size is not None:
            lines.append(f"a=file-selector:size:{self.size}")
        if self.max_size is not None:
            lines.append(f"a=max-size:{self.max_size}")
        if self.fingerprint:
            lines.append(f"a=fingerprint:{self.fingerprint}")
        if self.setup:
            lines.append(f"a=setup:{self.setup}")
        if self.cema:
            lines.append("a=msrp-cema")
        lines.append(f"a={self.direction}")
        return "".join(line + "\r\n" for line in lines)


def parse(text: str) -> Media | None:
    """The MSRP medium of a description; None if it has none."""
    media, address, found = Media(accept_types=[], cema=False), "", False
    for line in text.replace("\r\n", "\n").split("\n"):
        kind, _, value = line.partition("=")
        if kind == "c" and (found or not address):
            address = value.split(" ")[-1]
        elif kind == "m":
            if found:
                break
            words = value.split(" ")
            found = words[0] == "message" and len(words) >= 3 and words[2].upper().endswith("MSRP")
            if found:
                media.port, media.secure = int(words[1]), "TLS" in words[2].upper()
        elif kind == "a" and (found or value.startswith(("setup:", "fingerprint:"))):
            _attribute(media, value)
    media.address = address
    return media if found else None


def _attribute(media: Media, line: str) -> None:
    name, _, value = line.partition(":")
    match name:
        case "path":
            media.path = value.split()
        case "accept-types":
            media.accept_types = value.split()
        case "setup":
            media.setup = value.strip()
        case "fingerprint":
            media.fingerprint = value.strip()
        case "max-size" | "maxsize":
            media.max_size = int(value)
        case "msrp-cema":
            media.cema = True
        case "sendonly" | "recvonly" | "sendrecv" | "inactive":
            media.direction = name
        case "file-selector":
            sizes = [word[5:] for word in value.split() if word.startswith("size:")]
            media.size = int(sizes[0]) if sizes else None
