"""The sender's role: an INVITE with an MSRP offer, the message, the BYE."""

import argparse
import asyncio
import email.utils
import re
import uuid

import msrp
import sdp
import sip
from call import Caller
from content import Content, FileContent
from roles import Gate, Log, feature, headers_of, instance, login, watched
from session import Ended, Node, Session
from transfer import Misbehaviour, Transmission, told

BOUNDARY = "peer-b-4711"
MISBEHAVIOUR = ("abort_after", "close_after", "stall_after", "bye_after", "late", "wrong_session", "twice")


class Sender:
    """Sends `--count` messages, `--parallel` at once."""

    def __init__(self, options, agent: sip.Agent, node: Node, log: Log):
        self.options, self.agent, self.node, self.log = options, agent, node, log
        self.gate = Gate(log)

    async def run(self) -> bool:
        loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(self.options.parallel)
        began = loop.time()

        async def one(index: int) -> None:
            async with turn:
                await self._message(index)

        await asyncio.gather(*(one(index) for index in range(self.options.count)))
        return self.log.totals(loop.time() - began)

    async def _message(self, index: int) -> None:
        options = self.options
        good = await Attempt(self, options, index).run()
        if options.resume and good:
            honest = argparse.Namespace(**vars(options))
            for name in MISBEHAVIOUR:
                setattr(honest, name, None)
            honest.expect = None
            await Attempt(self, honest, index).run()


class Attempt:
    """One call with one message."""

    def __init__(self, sender: Sender, options, index: int):
        self._sender, self._options, self._index = sender, options, index
        number = options.first + index
        self._from, self._to = (uri.replace("{n}", str(number)) for uri in (options.sender, options.to))
        self._login = login(options, self._from)
        self._content = _content(options, number, self._from, self._to)
        self._line: dict = {"event": "sent", "direction": "out", "index": number, "to": self._to}

    async def run(self) -> bool:
        options, loop, line = self._options, asyncio.get_running_loop(), self._line
        began, ok = loop.time(), False
        self._session = session = self._sender.node.open(port=9 if options.setup == "active" else None)
        try:
            line["end"] = await self._call(session)
            ok = True
        except Misbehaviour as done:
            line["end"], ok = str(done), True
        except (Ended, OSError) as error:
            line["end"] = str(error) if isinstance(error, Ended) else f"no connection: {error}"
            ok = options.wrong_session and line["end"].startswith("MSRP status")
        finally:
            await self._finish(session)
        if options.expect:
            ok = re.search(options.expect, line["end"]) is not None
        line |= {"ok": bool(ok), "size": self._content.size, "message_id": self._content.message_id,
                 "seconds": round(loop.time() - began, 3)}
        if not options.brief:
            line["sha256"] = self._content.sha256()
        self._sender.log.tell(**line)
        return line["ok"]

    async def _call(self, session: Session) -> str:
        """Everything up to the last answer; gives how it ended."""
        options, line, agent = self._options, self._line, self._sender.agent
        if options.pager:
            return await self._pager()
        offer = self._offer(session)
        invite = self._invite(offer)
        self._dialog = Caller(agent, await agent.channel(agent.server), invite)
        response = await self._dialog.ask(self._login)
        line["sip_status"] = response.status()
        if not options.brief:
            line |= {"invite": headers_of(invite), "sdp": offer.write(),
                     "response": headers_of(response), "answer": response.body.decode("utf-8", "replace")}
        if response.status() >= 300:
            raise Ended(f"SIP status {response.status()}")
        media = sdp.parse(response.body.decode("utf-8", "replace"))
        if media is None or media.port == 0 or not media.path:
            raise Ended("the answer refuses the message medium")
        self._dialog.description = offer.write().encode()
        session.peer = media.path
        agent.task(self._hung_up(session))
        return await self._transfer(session, media)

    async def _pager(self) -> str:
        """The message in a MESSAGE, without any session (RFC 3428)."""
        agent, content = self._sender.agent, self._content
        message = sip.Message(f"MESSAGE {self._to} SIP/2.0", self._headers("MESSAGE", "msg"), content.read(0, content.size))
        message.headers.append(("Content-Type", self._options.msrp_type))
        response = await agent.ask(message, await agent.channel(agent.server), self._login)
        self._line |= {"sip_status": response.status(), "octets": content.size}
        if not 200 <= response.status() < 300:
            raise Ended(f"SIP status {response.status()}")
        return "accepted"

    async def _hung_up(self, session: Session) -> None:
        await self._dialog.hung_up.wait()
        session.end("BYE from the other end")

    async def _transfer(self, session: Session, media: sdp.Media) -> str:
        options, line = self._options, self._line
        if options.late:
            await asyncio.sleep(options.late)
        to = [_other_session(uri) for uri in media.path] if options.wrong_session else media.path
        if options.setup == "passive" or (options.setup == "actpass" and media.setup == "active"):
            await session.until(session.bound.wait(), options.patience, "the connection of the passive session")
            connection = session.connection
        else:
            connection = await asyncio.wait_for(self._sender.node.connect(media.path[0]), options.patience)
            session.bind(connection)
        if found := connection.peer_fingerprint():
            line["fingerprint_agrees"] = media.fingerprint is not None and media.fingerprint.upper() == found.upper()
        if options.twice:
            line["second"] = await self._second(session, media, connection)
        transmission = Transmission(session, connection, self._content, options, self._sender.gate)
        try:
            await watched(transmission.run(to), lambda: (transmission.sent, transmission.statuses.total()),
                          options.patience + 1, self._sender.gate)
        finally:
            line |= {"msrp_statuses": {str(status): count for status, count in transmission.statuses.items()},
                     "octets": transmission.sent, "chunks_count": len(transmission.chunks), "reports": len(session.reports)}
            if not options.brief:
                line["chunks"] = told(transmission.chunks)
        return "transferred"

    async def _second(self, session: Session, media: sdp.Media, first) -> int | str:
        """A second connection to a session that has one: what it is answered."""
        answer = await session.bind_by_sending(first)
        await session.until(answer, self._options.patience, "the answer to the binding SEND")
        second = await self._sender.node.connect(media.path[0])
        try:
            answer = await session.bind_by_sending(second)
            return (await session.until(answer, self._options.patience, "the answer on the second connection"))[0]
        except Ended as ended:
            return str(ended)
        finally:
            second.abort()

    async def _finish(self, session: Session) -> None:
        """BYE, and the connection closed."""
        dialog, status = getattr(self, "_dialog", None), self._line.get("sip_status", 0)
        if dialog and 200 <= status < 300:
            if self._options.no_bye:
                await asyncio.wait([asyncio.ensure_future(dialog.hung_up.wait())], timeout=self._options.patience)
            self._line["bye"] = "theirs" if dialog.hung_up.is_set() else await dialog.hang_up(self._login)
        connection = session.connection
        session.forget()
        if connection and connection.reading:
            await connection.close()

    def _offer(self, session: Session) -> sdp.Media:
        options, node = self._options, self._sender.node
        media = sdp.Media(path=[session.uri], port=msrp.authority(session.uri)[2], address=node.host, direction="sendonly",
                          secure=node.tls is not None, accept_types=[options.msrp_type],
                          setup=None if options.setup == "none" else options.setup)
        media.size = self._content.size if options.announce is None else options.announce
        if options.announce is not None and options.announce < 0:
            media.size = None
        media.fingerprint = options.fingerprint or (node.tls and node.tls.fingerprint)
        return media

    def _invite(self, offer: sdp.Media) -> sip.Message:
        options, agent = self._options, self._sender.agent
        contact = f"<sip:{sip.user(self._from)}@{agent.host}:{agent.port}{';transport=tcp' * (agent.transport == 'TCP')}>"
        headers = [
            *self._headers("INVITE", "largemsg"),
            ("Contact", f"{contact};{feature('largemsg')};{instance(self._from)}"),
            ("Supported", "timer"), ("Session-Expires", "1800;refresher=uac"),
            ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE"),
        ]
        if options.message_expires is not None:
            headers.append(("Message-Expires", str(options.message_expires)))
        kind, body = _body(offer, options.recipient_list)
        return sip.Message(f"INVITE {self._to} SIP/2.0", [*headers, ("Content-Type", kind)], body)

    def _headers(self, method: str, service: str) -> list[tuple[str, str]]:
        """What a MESSAGE and an INVITE have in common."""
        options = self._options
        shown = '"Anonymous" <sip:anonymous@anonymous.invalid>' if options.anonymous else f"<{self._from}>"
        urn = f"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.{service}"
        headers = [
            ("Max-Forwards", "70"), ("From", f"{shown};tag={sip.token('a')}"), ("To", f"<{self._to}>"),
            ("Call-ID", sip.token("c") + "@peer.test"), ("CSeq", f"1 {method}"),
            ("Accept-Contact", f"*;{feature(service)}"),
            ("Conversation-ID", str(uuid.uuid4())), ("Contribution-ID", str(uuid.uuid4())), ("Subject", "Photos"),
            ("Date", email.utils.formatdate(usegmt=True)), ("User-Agent", self._sender.agent.release),
        ]
        if options.pai:
            headers += [("P-Asserted-Identity", f"<{self._from}>"), ("P-Asserted-Service", urn),
                        ("P-Served-User", f"<{self._to}>;sescase=term;regstate=unreg")]
        else:
            headers.append(("P-Preferred-Service", urn))
        if options.anonymous:
            headers.append(("Privacy", "id"))
        return headers + [(name.strip(), value.strip()) for name, _, value in (one.partition(":") for one in options.header)]


def _content(options, number: int, sender: str, recipient: str):
    if options.file:
        return FileContent(options.file, options.msrp_type)
    return Content(options.size, options.seed + number, sender, recipient, options.content_type, options.imdn,
                   options.anonymous)


def _other_session(uri: str) -> str:
    return uri.replace("/" + msrp.session_id(uri), "/n0such" + msrp.session_id(uri)[:8])


def _body(offer: sdp.Media, recipients: list[str] | None) -> tuple[str, bytes]:
    """The offer, alone or with a list of recipients beside it (RFC 5366)."""
    if not recipients:
        return "application/sdp", offer.write().encode()
    entries = "".join(f'  <entry uri="{uri}"/>\r\n' for uri in recipients)
    text = (
        f"--{BOUNDARY}\r\nContent-Type: application/sdp\r\n\r\n{offer.write()}\r\n--{BOUNDARY}\r\n"
        "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list-history\r\n\r\n"
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">\r\n'
        f" <list>\r\n{entries} </list>\r\n</resource-lists>\r\n\r\n--{BOUNDARY}--\r\n"
    )
    return f"multipart/mixed;boundary={BOUNDARY}", text.encode()
