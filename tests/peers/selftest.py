#!/usr/bin/env python3
"""The peer against itself, over loopback and without the server: `selftest.py [WORD]` runs the tests whose name has it."""

import asyncio
import inspect
import io
import os
import subprocess
import sys
import tempfile
import time

import msrp
import peer
import sdp
import sip
from call import Called, Caller
from content import Content
from receiver import Receiver
from roles import Gate, Log
from sender import Sender
from session import Node
from transfer import Reception, Transmission, chunks

PATIENCE = "2"
KEYS = ""


class Pair:
    """A receiver and a sender in one process; what each told."""

    def __init__(self, send: str = "", receive: str = "", transport: str = "udp"):
        self._send, self._receive, self._transport = send.split(), receive.split(), transport

    async def run(self) -> tuple[dict, dict]:
        """The line of each about the (last) message."""
        sent, received = await self.lines()
        return sent[-1], received[-1]

    async def lines(self) -> tuple[list[dict], list[dict]]:
        common = ["--patience", PATIENCE, "--transport", self._transport]
        options = peer.parse(["receive", "--server", "127.0.0.1:9", "--no-register", "--user", "sip:bob@x.test", *common,
                              *self._receive])
        taker, agent, node = await _role(Receiver, options)
        taking = asyncio.create_task(taker.run())
        server = f"127.0.0.1:{agent.port}"
        options = peer.parse(["send", "--server", server, "--from", "sip:alice@x.test", "--to", "sip:bob@x.test", *common,
                              *self._send])
        giver, *others = await _role(Sender, options)
        self.sent_well = await giver.run()
        self.received_well = await taking
        for one in (agent, node, *others):
            await one.close()
        return [line for line in giver.log.lines if "ok" in line], [line for line in taker.log.lines if "ok" in line]


async def _role(kind, options):
    agent, node = peer.mounted(options)
    await agent.start()
    await node.start()
    return kind(options, agent, node, Log(io.StringIO())), agent, node


def short(*lines: dict) -> str:
    """What a failure is understood by."""
    names = ("end", "problems", "msrp_statuses", "octets", "seconds", "bye", "requests", "acknowledged", "chunks_count")
    return " / ".join(str({name: line[name] for name in names if name in line}) for line in lines)


async def arrives(send: str = "", receive: str = "", transport: str = "udp") -> tuple[dict, dict]:
    pair = Pair(send, receive, transport)
    sent, received = await pair.run()
    assert sent["ok"] and received["ok"] and pair.sent_well and pair.received_well, short(sent, received)
    assert (sent["end"], received["end"]) == ("transferred", "complete"), short(sent, received)
    assert (sent["sha256"], sent["size"]) == (received["sha256"], received["size"]), short(sent, received)
    assert sent["message_id"] == received["message_id"]
    return sent, received


def frames() -> bytes:
    """Three frames with what looks like ends in the data."""
    to_path, from_path = ["msrp://a:1/x;tcp"], ["msrp://b:2/y;tcp"]
    texts = []
    for transaction, data in (("abcd1234", b"he\r\n-------abcd1234xllo\r\n-------abcd123$\r\n\r"), ("abcd1235", b"")):
        head = msrp.head(transaction, "SEND", to_path, from_path, ("Message-ID", "m"), ("Content-Type", "text/plain"))
        texts += [head, b"\r\n", data, b"\r\n", msrp.end_line(transaction, "+")]
    request = msrp.Head("abcd1236", "SEND", headers={"to-path": to_path[0], "from-path": from_path[0]})
    return b"".join([*texts, msrp.response(request, 200)])


def joined(events: list) -> list:
    out = []
    for event in events:
        if isinstance(event, msrp.Data) and out and isinstance(out[-1], msrp.Data):
            out[-1] = msrp.Data(out[-1].octets + event.octets)
        else:
            out.append(event)
    return out


async def test_any_cut_of_the_stream_gives_the_same_frames():
    octets = frames()
    whole = joined(msrp.Parser().feed(octets))
    assert [type(event).__name__ for event in whole] == ["Head", "Data", "End", "Head", "End", "Head", "End"], whole
    assert whole[1].octets == b"he\r\n-------abcd1234xllo\r\n-------abcd123$\r\n\r" and whole[5].status == 200
    for step in range(1, len(octets)):
        parser, events = msrp.Parser(), []
        for at in range(0, len(octets), step):
            events += parser.feed(octets[at:at + step])
        assert joined(events) == whole, step


async def test_the_same_seed_makes_the_same_octets_in_any_pieces():
    for size in (300, 1301, 70_000, 200_001):
        for kind in ("text/plain", "image/jpeg"):
            one, other = (Content(size, 7, "sip:a@x", "sip:b@x", kind, True, False) for _ in range(2))
            whole = one.read(0, size)
            assert len(whole) == size
            assert b"".join(other.read(at, min(at + 777, size)) for at in range(0, size, 777)) == whole
            head, _, rest = whole.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")
            assert int(head.rpartition(b": ")[2]) == len(rest)


async def test_every_order_covers_the_message():
    for order in ("in", "reverse", "shuffle:3", "overlap"):
        for size, chunk in ((1, 1), (10, 3), (10, 10), (10, 99), (4096, 2048), (4097, 2048)):
            covered = {at for start, end in chunks(size, chunk, order) for at in range(start, end)}
            assert covered == set(range(size)), (order, size, chunk)
            assert any(end == size for _, end in chunks(size, chunk, order))


async def test_digest_is_that_of_rfc_2617():
    challenge = ('Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
                 'opaque="5ccc069c403ebaf9f0171e9517f40e41"')
    request = sip.Message("GET /dir/index.html SIP/2.0", [("CSeq", "1 GET")])
    said = sip.credentials(challenge, request, "Mufasa", "Circle Of Life", "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in said, said


async def test_a_description_is_read_as_it_was_written():
    media = sdp.Media(path=["msrp://r:1/a;tcp", "msrp://h:2/b;tcp"], port=2855, setup="active", size=5, max_size=9,
                      direction="sendonly", fingerprint="SHA-256 AB", secure=True)
    assert sdp.parse(media.write()) == media
    assert sdp.parse("v=0\r\nm=audio 9 RTP/AVP 0\r\n") is None


async def test_a_message_in_one_chunk():
    sent, received = await arrives()
    assert received["acknowledged"] and received["requests"] == ["BYE"] and sent["bye"] == 200


async def test_over_sip_tcp():
    _, received = await arrives(transport="tcp")
    assert received["transport"] == "TCP"


async def test_in_order():
    for chunk in (700, 2048, 65_536):
        sent, received = await arrives(f"--chunk {chunk} --size 40000 --content-type image/jpeg")
        assert received["chunks_count"] == sent["chunks_count"] == -(-40_000 // chunk)


async def test_reverse_order():
    _, received = await arrives("--chunk 3000 --order reverse --size 40000")
    assert received["chunks"][0][2] == "$"


async def test_shuffled_order():
    await arrives("--chunk 1000 --order shuffle:5 --size 300000 --content-type image/jpeg")


async def test_overlapping_chunks():
    _, received = await arrives("--chunk 5000 --order overlap --size 40000")
    assert received["repeated"] > 0


async def test_unknown_total():
    await arrives("--chunk 3000 --unknown-total")


async def test_octet_by_octet():
    await arrives("--split 1 --size 6000 --chunk 2500 --content-type image/jpeg", "--split 1")


async def test_ten_mebibytes():
    await arrives("--size 10MiB --content-type image/jpeg")


async def test_held_to_a_rate():
    sent, _ = await arrives("--size 40000 --rate 80000")
    assert sent["seconds"] >= 0.4


async def test_success_report():
    sent, _ = await arrives("--success-report yes --chunk 9000")
    assert sent["reports"] == 1


async def test_no_failure_report():
    sent, _ = await arrives("--failure-report no")
    assert sent["msrp_statuses"] == {}


async def test_setups():
    for send, receive in (("passive", "auto"), ("actpass", "auto"), ("actpass", "passive"), ("none", "auto"),
                          ("active", "none")):
        await arrives(f"--setup {send}", f"--setup {receive}")


async def test_tls_both_ways():
    for setup in ("active", "passive"):
        sent, received = await arrives(f"--setup {setup} --tls {KEYS}", f"--tls {KEYS}")
        assert "TLS" in sent["sdp"] and "msrps:" in received["answer"]
        told = sent if setup == "active" else received
        assert told["fingerprint_agrees"] is True, told


async def test_a_wrong_fingerprint_is_noticed():
    sent, _ = await arrives(f"--tls {KEYS}", f"--tls {KEYS} --fingerprint SHA-256:00")
    assert sent["fingerprint_agrees"] is False


async def test_both_authorities_can_be_asked_for():
    authority = KEYS.split()[1]
    await arrives(f"--tls {KEYS} --ca {authority}", f"--tls {KEYS} --ca {authority}")


async def test_a_file():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"no CPIM at all\x00\r\n-------")
        file.flush()
        sent, received = await Pair(f"--file {file.name} --msrp-type text/plain").run()
        assert sent["ok"] and received["sha256"] == sent["sha256"] and received["msrp"]["content-type"] == "text/plain"


async def test_headers_that_can_be_asked_for():
    sent, received = await arrives(
        "--pai --anonymous --imdn --message-expires 60 --announce 99 --header X-Peer:1 "
        "--recipient-list sip:carol@x.test sip:dave@x.test --content-disposition attachment")
    headers = received["invite"]
    assert headers["P-Asserted-Identity"] == "<sip:alice@x.test>" and headers["Privacy"] == "id"
    assert headers["Message-Expires"] == "60" and headers["X-Peer"] == "1"
    assert headers["Content-Type"].startswith("multipart/mixed") and "sip:carol@x.test" in received["sdp"]
    assert "file-selector:size:99" in received["sdp"] and "imdn.Disposition-Notification" in received["head"]
    assert received["msrp"]["content-disposition"] == "attachment"
    sent, _ = await arrives("--announce -1")
    assert "file-selector" not in sent["sdp"]


async def test_a_relay_in_the_path():
    sent, received = await arrives("", "--path-relay")
    assert sdp.parse(received["answer"]).path == received["msrp"]["to-path"].split() and " " in received["msrp"]["to-path"]


async def test_abort():
    sent, received = await Pair("--abort-after 5000 --chunk 3000").run()
    assert sent["ok"] and sent["end"].startswith("aborted"), sent
    assert not received["ok"] and "aborted" in received["end"] and received["chunks"][-1] == [3001, 5000, "#"], received


async def test_sender_closes_the_connection():
    sent, received = await Pair("--close-after 5000").run()
    assert sent["ok"] and not received["ok"] and "connection" in received["end"], short(sent, received)


async def test_sender_stalls():
    sent, received = await Pair("--stall-after 5000 --patience 4", "--patience 0.5").run()
    assert sent["ok"] and "BYE" in sent["end"] and "no progress" in received["end"], short(sent, received)


async def test_sender_hangs_up():
    sent, received = await Pair("--bye-after 5000").run()
    assert sent["ok"] and received["end"].startswith(("BYE", "connection")), short(sent, received)


async def test_sender_names_another_session():
    sent, received = await Pair("--wrong-session").run()
    assert sent["ok"] and sent["msrp_statuses"] == {"481": 1} and not received["ok"], short(sent, received)


async def test_sender_is_late():
    sent, _ = await arrives("--late 0.4")
    assert sent["seconds"] >= 0.4


async def test_sender_comes_twice():
    sent, _ = await arrives("--twice")
    assert sent["second"] == 506


async def test_sender_tries_again():
    pair = Pair("--abort-after 5000 --resume", "--count 2")
    sent, received = await pair.lines()
    assert [line["end"] for line in sent][1:] == ["transferred"] and received[1]["end"] == "complete"
    assert sent[0]["sha256"] == sent[1]["sha256"] == received[1]["sha256"]


async def test_refused_invite():
    sent, received = await Pair("", "--answer 486").run()
    assert not sent["ok"] and sent["end"] == "SIP status 486" and received["ok"], short(sent, received)
    sent, _ = await Pair("--expect 486", "--answer 486").run()
    assert sent["ok"]


async def test_refused_chunk():
    sent, received = await Pair("--chunk 3000 --size 30000", "--msrp-status 413 --msrp-status-at 2").run()
    assert not sent["ok"] and sent["end"] == "MSRP status 413" and sent["msrp_statuses"]["413"] == 1, sent
    assert received["ok"] and "413" in received["end"], received


async def test_refused_last_chunk():
    sent, received = await Pair("", "--msrp-status 481").run()
    assert sent["end"] == "MSRP status 481" and received["ok"], short(sent, received)


async def test_unanswered_chunk():
    sent, received = await Pair("--patience 0.6", "--no-msrp-response").run()
    assert not sent["ok"] and "did not come" in sent["end"] and received["ok"], short(sent, received)


async def test_never_reading():
    sent, received = await Pair("--size 8MiB --setup passive --patience 0.8", "--never-read").run()
    assert not sent["ok"] and "no progress" in sent["end"] and received["ok"], short(sent, received)


async def test_refused_medium():
    sent, received = await Pair("", "--port0").run()
    assert "refuses" in sent["end"] and received["ok"], short(sent, received)


async def test_receiver_closes_the_connection():
    sent, received = await Pair("--size 300000", "--close-after 100000").run()
    assert not sent["ok"] and "connection" in sent["end"] and received["ok"], short(sent, received)


async def test_receiver_hangs_up():
    sent, received = await Pair("--size 3000000", "--bye-after 100000").run()
    assert not sent["ok"] and received["ok"] and received["end"].startswith("BYE after"), short(sent, received)


async def test_receiver_names_another_session():
    sent, received = await Pair("--setup passive", "--wrong-session").run()
    assert received["ok"] and received["binding"] == 481 and not sent["ok"], short(sent, received)


async def test_receiver_is_late_and_comes_twice():
    _, received = await arrives("--setup passive", "--late 0.3 --twice")
    assert received["second"] == 506 and received["seconds"] >= 0.3


async def test_nobody_connects():
    sent, _ = await Pair("--setup passive --patience 0.4", "--setup passive --patience 0.8").run()
    assert "did not come" in sent["end"], sent


async def test_max_size_is_said():
    _, received = await arrives("", "--max-size 100")
    assert "a=max-size:100" in received["answer"]


async def test_many_at_once():
    pair = Pair("--count 40 --to sip:bob{n}@x.test --first 7 --size 50000", "--count 40")
    sent, received = await pair.lines()
    assert pair.sent_well and pair.received_well
    assert sorted(line["sha256"] for line in sent) == sorted(line["sha256"] for line in received)
    assert {line["to"] for line in received} == {f"sip:bob{number}@x.test" for number in range(7, 47)}


async def test_two_sessions_share_a_connection():
    taker, giver = Node(None), Node(None)
    await taker.start()
    await giver.start()
    gate, pairs = Gate(Log(io.StringIO())), []
    receive = peer.parse(["receive", "--server", "x:1", "--user", "sip:b@x"])
    for seed in (1, 2):
        one, other = giver.open(), taker.open()
        one.peer, other.peer = [other.uri], [one.uri]
        options = peer.parse(f"send --server x:1 --from sip:a@x --to sip:b@x --chunk {700 * seed}".split())
        content = Content(30_000, seed, "sip:a@x", "sip:b@x", "image/jpeg", False, False)
        pairs.append((one, Reception(other, receive, gate), options, content))
    connection = await giver.connect(pairs[0][1].session.uri)
    for one, *_ in pairs:
        assert one.bind(connection)
    await asyncio.gather(*(Transmission(one, connection, content, options, gate).run(one.peer)
                           for one, _, options, content in pairs))
    for _, reception, _, content in pairs:
        assert reception.done.is_set() and reception.assembly.digest.hexdigest() == content.sha256()
        assert not reception.problems, reception.problems
    await giver.close()
    await taker.close()


async def test_a_slow_reader_is_felt():
    sent, received = await arrives("--size 1MiB --setup passive", "--rate 512KiB")
    assert received["seconds"] > 1.2 and sent["seconds"] > 1.2, short(sent, received)


async def test_a_pager_message():
    sent, received = await Pair("--pager --size 900").run()
    assert sent["ok"] and received["event"] == "message" and received["sha256"] == sent["sha256"]


async def test_a_lost_ack_and_requests_within_the_call():
    caller, called = sip.Agent(("127.0.0.1", 9), "udp"), sip.Agent(("127.0.0.1", 9), "udp")
    await caller.start()
    await called.start()
    calls = []

    def take(transaction: sip.Transaction) -> None:
        calls.append(Called(transaction))
        calls[0].accepted = asyncio.create_task(calls[0].accept(b"v=0\r\n", calls[0].contact()))

    called.handler = take
    headers = [("From", "<sip:a@x>;tag=1"), ("To", "<sip:b@x>"), ("Call-ID", sip.token()), ("CSeq", "1 INVITE"),
               ("Contact", f"<sip:a@127.0.0.1:{caller.port}>")]
    dialog = Caller(caller, caller.udp_channel(("127.0.0.1", called.port)), sip.Message("INVITE sip:b@x SIP/2.0", headers))
    real, lost = dialog.acknowledge, []
    dialog.acknowledge = lambda: real() if lost else lost.append(1)
    assert (await dialog.ask(None)).status() == 200
    assert await asyncio.wait_for(calls[0].accepted, 3), "the 200 is sent again, and its ACK too"
    for method in ("UPDATE", "INVITE"):
        dialog.number += 1
        response = await caller.send(dialog.message(method, dialog.number), await dialog.next_hop())
        assert response.status() == 200, response
        assert response.body == (b"v=0\r\n" if method == "INVITE" else b""), response
    assert await calls[0].hang_up() == 200 and dialog.hung_up.is_set()
    for agent in (caller, called):
        await agent.close()


def make_keys(home: str) -> str:
    """A certificate of this run's own, by openssl."""
    certificate, key = os.path.join(home, "peer.pem"), os.path.join(home, "peer.key")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=peer.test"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return f"--cert {certificate} --key {key}"


async def main(word: str) -> int:
    """All tests, a few at once; the number of failures."""
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_") and word in name]
    assert all(inspect.iscoroutinefunction(test) for _, test in tests) and tests, "no such test"
    failures, turn = 0, asyncio.Semaphore(12)

    async def one(name: str, test) -> bool:
        async with turn:
            began = time.monotonic()
            try:
                await asyncio.wait_for(test(), 15)
            except Exception as error:
                print(f"FAILED {name}: {type(error).__name__}: {str(error)[:3000]}", flush=True)
                return False
            print(f"ok     {name} ({time.monotonic() - began:.2f} s)", flush=True)
            return True

    failures = (await asyncio.gather(*(one(*test) for test in tests))).count(False)
    print(f"{len(tests) - failures} of {len(tests)} passed")
    return failures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as keys:
        KEYS = make_keys(keys)
        sys.exit(1 if asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "")) else 0)
