"""The receiver's role: registers, answers INVITEs, takes the messages, agrees to the BYE."""

import asyncio
import hashlib
import re

import msrp
import sdp
import sip
from call import Called
from roles import REGISTERED, Gate, Log, feature, headers_of, instance, login, watched
from session import Ended, Node, Session
from transfer import Reception, told

METHODS = "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE"


class Receiver:
    """Takes `--count` messages for its users."""

    def __init__(self, options, agent: sip.Agent, node: Node, log: Log):
        self.options, self.agent, self.node, self.log = options, agent, node, log
        self.gate, self._changed = Gate(log), asyncio.Event()
        self._active, self._bytes, self._calls = 0, 0, {}
        self._calls_ids: dict[str, tuple[str, int]] = {}
        agent.handler = self._request

    def users(self) -> list[str]:
        options = self.options
        if options.users is None:
            return [options.user]
        pattern = options.user if "{n}" in options.user else options.user.replace("@", "{n}@", 1)
        return [pattern.replace("{n}", str(options.first + number)) for number in range(options.users)]

    async def run(self) -> bool:
        loop, options = asyncio.get_running_loop(), self.options
        began = loop.time()
        if options.register:
            turn = asyncio.Semaphore(options.parallel)
            await asyncio.gather(*(self._register(user, options.expires, turn) for user in self.users()))
        if any(line["event"] == "register" and line.get("ok") is False for line in self.log.lines):
            return self.log.totals(loop.time() - began)
        self.log.tell(event="ready", port=self.agent.port, msrp_port=self.node.port)
        while len(self.log.ended()) < options.count:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), options.patience)
            except asyncio.TimeoutError:
                if not self._active:
                    break
        missing = options.count - len(self.log.ended())
        if missing > 0:
            self.log.tell(event="missing", messages=missing, ok=False, end=f"nothing came within {options.patience:g} s")
        await asyncio.sleep(options.linger)
        if options.register and options.deregister:
            turn = asyncio.Semaphore(options.parallel)
            await asyncio.gather(*(self._register(user, 0, turn) for user in self.users()))
        return self.log.totals(loop.time() - began)

    async def _register(self, user: str, expires: int, turn: asyncio.Semaphore) -> None:
        """REGISTER, or with 0 the end of it."""
        agent, options = self.agent, self.options
        async with turn:
            call, number = self._calls_ids.get(user, (sip.token("r") + "@peer.test", 0))
            self._calls_ids[user] = (call, number + 2)
            realm = user.rpartition("@")[2].partition(";")[0]
            contact = f"<sip:{sip.user(user)}@{agent.host}:{agent.port}{';transport=tcp' * (agent.transport == 'TCP')}>"
            headers = [
                ("Max-Forwards", "70"), ("From", f"<{user}>;tag={sip.token('u')}"), ("To", f"<{user}>"), ("Call-ID", call),
                ("CSeq", f"{number + 1} REGISTER"),
                ("Contact", f'{contact};{instance(user)};+g.3gpp.icsi-ref="{REGISTERED}";expires={expires}'),
                ("Expires", str(expires)), ("Supported", "path, gruu"), ("User-Agent", agent.release),
            ]
            if options.pai:
                headers.append(("P-Asserted-Identity", f"<{user}>"))
            request = sip.Message(f"REGISTER sip:{realm} SIP/2.0", headers)
            response = await agent.ask(request, await agent.channel(agent.server), login(options, user))
        if response.status() != 200:
            self.log.tell(event="register", user=user, sip_status=response.status(), ok=False, end="not registered")
        elif not options.brief:
            self.log.tell(event="register", user=user, sip_status=200, expires=expires)

    def _request(self, transaction: sip.Transaction) -> None:
        """A request outside of any dialog."""
        match transaction.request.method():
            case "INVITE":
                self.agent.task(self._call(transaction))
            case "MESSAGE":
                self._message(transaction)
            case "OPTIONS":
                transaction.reply(200)
            case _:
                transaction.reply(405)

    def _message(self, transaction: sip.Transaction) -> None:
        """A pager message: taken, or answered as --answer says."""
        request, status = transaction.request, self.options.answer or 200
        transaction.reply(status)
        self.log.tell(event="message", direction="in", ok=True, sip_status=status, headers=headers_of(request),
                      size=len(request.body), sha256=hashlib.sha256(request.body).hexdigest(),
                      body=request.body.decode("utf-8", "replace"), end="taken" if status == 200 else "refused as asked")
        self._changed.set()

    async def _call(self, transaction: sip.Transaction) -> None:
        self._active += 1
        try:
            await Call(self, transaction).run()
        finally:
            self._active -= 1
            self._changed.set()


class Call:
    """One INVITE, and the message that comes after it."""

    def __init__(self, receiver: Receiver, transaction: sip.Transaction):
        self._receiver, self._options, self._transaction = receiver, receiver.options, transaction
        self._line: dict = {"event": "received", "direction": "in", "to": sip.address(transaction.request.get("To"))}

    async def run(self) -> None:
        options, loop, line, request = self._options, asyncio.get_running_loop(), self._line, self._transaction.request
        began, ok = loop.time(), False
        if not options.brief:
            line |= {"invite": headers_of(request), "uri": request.uri(), "transport": self._transaction.channel.transport,
                     "sdp": request.body.decode("utf-8", "replace")}
        self._dialog = Called(self._transaction)
        try:
            line["end"], ok = await self._answer()
        except (Ended, OSError) as error:
            line["end"] = str(error) if isinstance(error, Ended) else f"no connection: {error}"
            ok = options.wrong_session and line["end"].startswith("MSRP status")
        if options.expect:
            ok = re.search(options.expect, line["end"]) is not None
        line |= {"ok": bool(ok) and not line.get("problems"), "seconds": round(loop.time() - began, 3)}
        self._receiver.log.tell(**line)

    async def _answer(self) -> tuple[str, bool]:
        """How it ended, and whether as asked."""
        options, line, request = self._options, self._line, self._transaction.request
        offer = sdp.parse(request.body.decode("utf-8", "replace"))
        status = options.answer or (488 if offer is None or not offer.path else 200)
        line["sip_status"] = status
        if status >= 300:
            if options.answer_after:
                await asyncio.sleep(options.answer_after)
            self._dialog.refuse(status)
            return f"refused with {status}", status == options.answer
        setup = options.setup if options.setup != "auto" else {"active": "passive", None: "none"}.get(offer.setup, "active")
        session = self._receiver.node.open(port=9 if setup == "active" else None)
        session.peer = offer.path
        answer = self._description(session, setup, offer)
        contact = f"<{self._dialog.contact().replace('peer@', sip.user(line['to']) + '@')}>;{feature('deferred')}"
        accepted = asyncio.ensure_future(self._dialog.accept(answer.write().encode(), contact))
        if not options.brief:
            line["answer"] = answer.write()
        try:
            return await self._take(session, setup, offer, answer)
        finally:
            await self._finish(session, accepted)

    def _description(self, session: Session, setup: str, offer: sdp.Media) -> sdp.Media:
        options, node = self._options, self._receiver.node
        path = [node.alias(session), session.uri] if options.path_relay else [session.uri]
        secure = offer.secure if not options.plain else False
        return sdp.Media(path=path, port=0 if options.port0 else msrp.authority(session.uri)[2], address=node.host,
                         secure=secure, setup=None if setup == "none" else setup, direction="recvonly",
                         max_size=options.max_size,
                         fingerprint=options.fingerprint or (node.tls and node.tls.fingerprint))

    async def _take(self, session: Session, setup: str, offer: sdp.Media, answer: sdp.Media) -> tuple[str, bool]:
        options = self._options
        reception = Reception(session, options, self._receiver.gate)
        reception.path = answer.path
        self._receiver.agent.task(self._hung_up(session, reception))
        if setup == "active" and not options.port0:
            await self._connect(session, offer)
        try:
            end = await watched(self._outcome(session, reception), lambda: reception.received, options.patience + 1,
                                self._receiver.gate)
        finally:
            self._note(reception)
        wanted = any((options.close_after, options.bye_after, options.never_read, options.port0, options.no_msrp_response,
                      options.msrp_status))
        return end, wanted or end == "complete"

    async def _outcome(self, session: Session, reception: Reception) -> str:
        """Complete and hung up, or what happened instead."""
        done = asyncio.ensure_future(reception.done.wait())
        try:
            await asyncio.wait({done, reception.misbehaved, session.ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done.cancel()
        if reception.misbehaved.done():
            what = reception.misbehaved.result()
            if self._options.msrp_status:
                # What the sender makes of it: BYE, or the end of the connection.
                await asyncio.wait({session.ended}, timeout=self._options.patience)
            return what
        if not reception.done.is_set():
            return session.ended.result()
        if self._dialog.hung_up.is_set() or await self._byes():
            return "complete"
        return "complete, but no BYE came"

    async def _byes(self) -> bool:
        try:
            await asyncio.wait_for(self._dialog.hung_up.wait(), self._options.patience)
        except asyncio.TimeoutError:
            return False
        return True

    async def _hung_up(self, session: Session, reception: Reception) -> None:
        await self._dialog.hung_up.wait()
        # The last octets may still be on their way through this process.
        await asyncio.sleep(0.05)
        if not reception.done.is_set():
            session.end("BYE from the other end")

    async def _connect(self, session: Session, offer: sdp.Media) -> None:
        """The active side: a connection, and at once an empty SEND on it (section 5.4)."""
        options, line = self._options, self._line
        if options.late:
            await asyncio.sleep(options.late)
        node = self._receiver.node
        connection = await asyncio.wait_for(node.connect(offer.path[0]), options.patience)
        session.bind(connection)
        if found := connection.peer_fingerprint():
            line["fingerprint_agrees"] = offer.fingerprint is not None and offer.fingerprint.upper() == found.upper()
        to = [_other_session(uri) for uri in offer.path] if options.wrong_session else None
        line["binding"] = await self._bind(session, connection, to)
        if options.wrong_session:
            raise Ended(f"MSRP status {line['binding']}")
        if options.twice:
            second = await node.connect(offer.path[0])
            try:
                line["second"] = await self._bind(session, second, None)
            except Ended as ended:
                line["second"] = str(ended)
            finally:
                second.abort()

    async def _bind(self, session: Session, connection, to) -> int:
        answer = await session.bind_by_sending(connection, to)
        return (await session.until(answer, self._options.patience, "the answer to the binding SEND"))[0]

    def _note(self, reception: Reception) -> None:
        line, assembly = self._line, reception.assembly
        line |= {"size": assembly.length, "octets": reception.received, "repeated": assembly.repeated,
                 "chunks_count": len(reception.chunks),
                 "msrp_statuses": {str(status): count for status, count in reception.statuses.items()}}
        if reception.problems:
            line["problems"] = reception.problems[:20]
        line["sha256"] = assembly.digest.hexdigest()
        line["message_id"] = _imdn_id(assembly.head)
        if not self._options.brief:
            line |= {"chunks": told(reception.chunks), "msrp": reception.headers,
                     "head": assembly.head[:1024].decode("utf-8", "replace")}

    async def _finish(self, session: Session, accepted: asyncio.Future) -> None:
        self._line["acknowledged"] = self._dialog.acknowledged.is_set()
        self._line["bye"] = "theirs"
        if not self._dialog.hung_up.is_set():
            await asyncio.wait({accepted}, timeout=min(self._options.patience, 5))
            login_ = login(self._options, self._line["to"])
            self._line["bye"] = "theirs" if self._dialog.hung_up.is_set() else await self._dialog.hang_up(login_)
        self._line["requests"] = self._dialog.requests
        accepted.cancel()
        connection = session.connection
        session.forget()
        if connection and connection.reading:
            await connection.close()


def _other_session(uri: str) -> str:
    return uri.replace("/" + msrp.session_id(uri), "/n0such" + msrp.session_id(uri)[:8])


def _imdn_id(head: bytes) -> str | None:
    found = re.search(rb"^imdn\.Message-ID: *(\S+)", head, re.MULTILINE | re.IGNORECASE)
    return found[1].decode("utf-8", "replace") if found else None
