#!/usr/bin/env python3
"""An MSRP and SIP peer of the tests' own (RFC 3261, 4975, 6135, 6714): `peer.py send …` and `peer.py receive …`.

It was written from the standards and shares no code with the server, so that a misreading in one is not confirmed by
the other. Each message and each failure is one JSON object on a line of standard output; the last line has the totals.
Exit code: 0 if everything asked for happened, 1 if not, 2 if the command line is wrong.
"""

import argparse
import asyncio
import resource
import sys

from receiver import Receiver
from roles import Log
from sender import Sender
from session import Node, Tls
from sip import Agent


def octets(text: str) -> int:
    """1300, 64KiB, 10MiB."""
    for unit, factor in (("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)):
        if text.endswith(unit):
            return int(float(text[:-3]) * factor)
    return int(text)


def place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def common(parser: argparse.ArgumentParser) -> None:
    """What both roles take."""
    add = parser.add_argument
    add("--server", type=place, required=True, metavar="HOST:PORT", help="where SIP requests go")
    add("--transport", choices=("udp", "tcp"), default="udp")
    add("--host", default="127.0.0.1", help="our own address")
    add("--digest", metavar="USER:PASSWORD", help="{user} stands for the user part of the address")
    add("--pai", action="store_true", help="say P-Asserted-Identity and more, as a trusted peer does")
    add("--patience", type=float, default=15, metavar="SECONDS", help="the longest wait for anything")
    add("--count", type=int, default=1)
    add("--parallel", type=int, default=64)
    add("--first", type=int, default=0, metavar="N", help="what {n} in addresses begins with")
    add("--brief", action="store_true", help="no headers, descriptions and chunks in the lines")
    add("--expect", metavar="REGEX", help="the message counts as good if its end is described by this")
    add("--tls", action="store_true", help="offer, or expect, MSRP over TLS")
    add("--ca", metavar="FILE", help="only certificates of these authorities are taken")
    add("--cert", metavar="FILE")
    add("--key", metavar="FILE")
    add("--fingerprint", metavar="TEXT", help="say this instead of the certificate's own")
    add("--rate", type=octets, metavar="OCTETS/S")
    add("--split", type=int, default=0, metavar="N", help="write MSRP in pieces of so many octets")
    add("--late", type=float, metavar="SECONDS", help="connect so late")
    add("--twice", action="store_true", help="a second connection to the session")
    add("--wrong-session", action="store_true", help="name a session that is not there")
    add("--close-after", type=octets, metavar="OCTETS", help="close the MSRP connection")
    add("--bye-after", type=octets, metavar="OCTETS", help="hang up")
    add("--hold-at", type=octets, metavar="OCTETS", help="wait there for a line on standard input")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="peer.py", description=__doc__.split("\n", 1)[0])
    roles = parser.add_subparsers(dest="role", required=True)
    sending(roles.add_parser("send", help="send large messages"))
    receiving(roles.add_parser("receive", help="register and take messages"))
    options = parser.parse_args(arguments)
    if options.cert and not options.key:
        options.key = options.cert
    return options


def sending(parser: argparse.ArgumentParser) -> None:
    common(parser)
    add = parser.add_argument
    add("--from", dest="sender", required=True, metavar="URI", help="{n} stands for the message's number")
    add("--to", required=True, metavar="URI", help="{n} stands for the message's number")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--file", help="send these octets as they are")
    what.add_argument("--size", type=octets, default=20_000, help="octets of the whole CPIM message")
    add("--seed", type=int, default=1, help="the same seed and size make the same message; the n-th has seed + n")
    add("--content-type", default="text/plain; charset=utf-8", help="of the content within the CPIM message")
    add("--msrp-type", default="message/cpim", help="Content-Type of the SENDs")
    add("--content-disposition")
    add("--chunk", type=octets, default=65_536, metavar="OCTETS", help="octets of a SEND")
    add("--order", default="in", metavar="in|reverse|shuffle:SEED|overlap")
    add("--unknown-total", action="store_true", help="Byte-Range N-*/*")
    add("--setup", choices=("active", "passive", "actpass", "none"), default="active")
    add("--success-report", choices=("yes", "no"))
    add("--failure-report", choices=("yes", "no", "partial"))
    add("--abort-after", type=octets, metavar="OCTETS", help="end the message with #")
    add("--stall-after", type=octets, metavar="OCTETS", help="send no more, but keep the connection")
    add("--pager", action="store_true", help="in a MESSAGE instead of a session")
    add("--resume", action="store_true", help="after what was done wrong, send the message again, rightly")
    add("--no-bye", action="store_true", help="leave the BYE to the other end")
    add("--message-expires", type=int, metavar="SECONDS")
    add("--imdn", action="store_true", help="ask for positive and negative delivery notifications")
    add("--anonymous", action="store_true")
    add("--announce", type=octets, metavar="OCTETS", help="say this size in a=file-selector; -1: say none")
    add("--recipient-list", nargs="+", metavar="URI")
    add("--header", action="append", default=[], metavar="NAME: VALUE", help="one more header in the INVITE")


def receiving(parser: argparse.ArgumentParser) -> None:
    common(parser)
    add = parser.add_argument
    add("--user", required=True, metavar="URI",
        help="with --users {n} stands for the user's number, before the @ if it is not there")
    add("--users", type=int, metavar="N", help="so many users register")
    add("--no-register", dest="register", action="store_false", help="only wait for requests")
    add("--deregister", action="store_true", help="end the registration at the end")
    add("--expires", type=int, default=600, metavar="SECONDS", help="of the registration")
    add("--setup", choices=("auto", "active", "passive", "none"), default="auto")
    add("--answer", type=int, metavar="STATUS", help="answer INVITEs and MESSAGEs with it")
    add("--answer-after", type=float, metavar="SECONDS", help="wait before --answer")
    add("--msrp-status", type=int, metavar="STATUS", help="answer a chunk with it")
    add("--msrp-status-at", type=int, default=1, metavar="N", help="which chunk")
    add("--no-msrp-response", action="store_true", help="answer no chunk")
    add("--never-read", action="store_true", help="bind the session, then read nothing")
    add("--max-size", type=octets, metavar="OCTETS")
    add("--port0", action="store_true", help="refuse the medium in the 200")
    add("--plain", action="store_true", help="answer without TLS what was offered with it")
    add("--path-relay", action="store_true", help="two URIs in a=path")
    add("--strict", action="store_true", help="chunks over 2048 octets must be interruptible")
    add("--linger", type=float, default=0, metavar="SECONDS", help="stay so long after the last message")


def window(options: argparse.Namespace) -> int:
    """How much the kernel may keep of what a slow reader has not read; 0: as much as it likes."""
    if options.role == "send":
        return 0
    return 8 << 10 if options.never_read else 64 << 10 if options.rate else 256 << 10 if options.hold_at is not None else 0


def mounted(options: argparse.Namespace) -> tuple[Agent, Node]:
    """The SIP and the MSRP side of this process, not started."""
    tls = Tls(options.cert, options.key, options.ca) if options.tls else None
    return Agent(options.server, options.transport, options.host), Node(tls, options.host, options.split, window(options))


async def run(options: argparse.Namespace, log: Log) -> bool:
    agent, node = mounted(options)
    await agent.start()
    await node.start()
    role = Sender if options.role == "send" else Receiver
    try:
        return await role(options, agent, node, log).run()
    finally:
        await node.close()
        await agent.close()


def main() -> int:
    options = parse(sys.argv[1:])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log = Log()
    try:
        good = asyncio.run(run(options, log))
    except (OSError, ValueError) as error:
        log.tell(event="failure", end=f"{type(error).__name__}: {error}")
        return 1
    except KeyboardInterrupt:
        return 1
    return 0 if good and not any(line["event"] == "failure" for line in log.lines) else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    code = main()
    sys.stdout.flush()
    # A thread may still wait for a line on standard input.
    import os
    os._exit(code)
