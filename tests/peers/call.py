"""Dialogs of calls (RFC 3261 sections 12 to 15), from the caller's and from the called side."""

import asyncio

from sip import T1, T2, TIMER_B, Agent, Channel, Message, Transaction, address, answer, parameter, place, token


class Dialog:
    """What both sides of a call have in common."""

    def __init__(self, agent: Agent, channel: Channel, first: Message, ours: str, theirs: str):
        self.agent, self.channel, self.call = agent, channel, first.get("Call-ID")
        # As they stand in From and To of our requests.
        self.ours, self.theirs = ours, theirs
        self.target, self.routes, self.number = "", [], 1
        self.acknowledged, self.hung_up = asyncio.Event(), asyncio.Event()
        self.requests: list[str] = []
        self.description = b""
        agent.dialogs[(self.call, parameter(ours, "tag"))] = self

    def request(self, transaction: Transaction) -> None:
        """BYE ends the call; re-INVITE and UPDATE are agreed to."""
        method = transaction.request.method()
        self.requests.append(method)
        if method == "CANCEL":
            transaction.reply(481)
            return
        response = answer(transaction.request, 200)
        if method in ("INVITE", "UPDATE"):
            response.headers.append(("Contact", f"<{self.contact()}>"))
            if expires := transaction.request.get("Session-Expires"):
                response.headers += [("Require", "timer"), ("Session-Expires", expires)]
            if method == "INVITE" or transaction.request.body:
                response.headers.append(("Content-Type", "application/sdp"))
                response.body = self.description
        transaction.respond(response)
        if method == "BYE":
            self.hung_up.set()

    def contact(self) -> str:
        return f"sip:peer@{self.agent.host}:{self.agent.port}" + (";transport=tcp" if self.channel.is_reliable() else "")

    def message(self, method: str, number: int) -> Message:
        headers = [("Max-Forwards", "70"), *(("Route", route) for route in self.routes)]
        headers += [("From", self.ours), ("To", self.theirs), ("Call-ID", self.call), ("CSeq", f"{number} {method}")]
        return Message(f"{method} {self.target} SIP/2.0", [*headers, ("User-Agent", self.agent.release)])

    async def next_hop(self) -> Channel:
        """The connection we have, or the place the first route or the remote target names."""
        if self.channel.is_reliable() and self.channel.is_open():
            return self.channel
        goal = address(self.routes[0]) if self.routes else self.target
        transport = "TCP" if "transport=tcp" in goal.lower() else "UDP"
        return await self.agent.channel(place(goal, self.agent.server), transport)

    async def hang_up(self, login=None) -> int:
        """BYE, unless the other side was first; gives its status, 0 if none was sent."""
        if self.hung_up.is_set():
            return 0
        self.number += 1
        response = await self.agent.ask(self.message("BYE", self.number), await self.next_hop(), login)
        return response.status()


class Caller(Dialog):
    """The side that sends the INVITE."""

    def __init__(self, agent: Agent, channel: Channel, invite: Message):
        super().__init__(agent, channel, invite, invite.get("From"), invite.get("To"))
        self.invite = invite
        self._ack: Message | None = None

    async def ask(self, login) -> Message:
        """Sends the INVITE; a 2xx is acknowledged, whenever it comes."""
        response = await self.agent.ask(self.invite, self.channel, login)
        self.number = int(self.invite.get("CSeq").split(" ")[0])
        if 200 <= response.status() < 300:
            self.theirs, self.target = response.get("To"), address(response.get("Contact"))
            self.routes = list(reversed(response.all("Record-Route")))
            self._ack = self.message("ACK", self.number)
            for name in ("Authorization", "Proxy-Authorization"):
                if value := self.invite.get(name):
                    self._ack.headers.append((name, value))
            self._hop = await self.next_hop()
            self.acknowledge()
        return response

    def acknowledge(self) -> None:
        if self._ack:
            self._ack.put("Via", self._hop.via())
            self._ack.headers.insert(0, self._ack.headers.pop())
            self._hop.send(self._ack.to_bytes())


class Called(Dialog):
    """The side that answers."""

    def __init__(self, transaction: Transaction):
        self.invite, self._transaction, tag = transaction.request, transaction, token("p")
        request = self.invite
        ours = f"{request.get('To')};tag={tag}"
        super().__init__(transaction.agent, transaction.channel, request, ours, request.get("From"))
        self.target, self.routes = address(request.get("Contact")), request.all("Record-Route")
        self._tag = tag

    def refuse(self, status: int) -> None:
        self._transaction.respond(answer(self.invite, status, tag=self._tag))

    async def accept(self, description: bytes, contact: str) -> bool:
        """200 again and again until the ACK comes (section 13.3.1.4); whether it came."""
        response, self.description = answer(self.invite, 200, tag=self._tag), description
        response.headers += [("Contact", contact), ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE, OPTIONS, MESSAGE")]
        if expires := self.invite.get("Session-Expires"):
            response.headers += [("Require", "timer"), ("Session-Expires", expires)]
        response.headers += [("Server", self.agent.release), ("Content-Type", "application/sdp")]
        response.body = description
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + TIMER_B, T1
        self._transaction.respond(response)
        while (left := deadline - loop.time()) > 0:
            try:
                await asyncio.wait_for(self.acknowledged.wait(), min(pause, left))
                return True
            except asyncio.TimeoutError:
                self._transaction.again()
                pause = min(pause * 2, T2)
        return False
