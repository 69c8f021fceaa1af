//! `restante demo --large`: a picture for Bob, whose phone is off; by INVITE and MSRP both ways (8.3.2.3, 8.3.2.3.4).

use super::agent::Agent;
use super::host::{Directory, Host};
use super::session::Ends;
use super::{DemoError, exchange, register, timeline};
use crate::config::DEMO_REALM;
use crate::formats::sdp::Offer;
use crate::sip::dialog::sdp_of;
use crate::sip::{Method, Request};
use crate::types::Digest;

/// Pixels of the picture.
const WIDTH: u32 = 640;
const HEIGHT: u32 = 400;
const ALICE: &str = "msrp://127.0.0.1:9/alice-demo;tcp";
const BOB: &str = "msrp://127.0.0.1:9/bob-demo;tcp";

pub(super) fn play(say: &impl Fn(&str)) -> Result<(), DemoError> {
    let directory = Directory::make()?;
    let mut host = Host::start(&directory)?;
    say(&format!("The post office is open: {} in a directory of its own.", host.listening()));
    let mut alice = Agent::new("alice", host.sip())?;
    let mut bob = Agent::new("bob", host.sip())?;
    let picture = picture();
    let message = message(&picture);

    say(&format!("\nBob's phone is off. Alice sends him a picture of {} octets.", picture.len()));
    say(&format!("  SHA-256 {}", Digest::of(&picture)));
    send(&mut alice, &message, say)?;

    say("\nNow the server is killed (SIGKILL) and started again.");
    host.kill()?;
    host = Host::start(&directory)?;
    bob.turn_to(host.sip());

    say("\nBob switches his phone on.");
    register(&mut bob, 3600, say)?;
    let received = receive(&mut bob, say)?;
    let (_, content) = split(&received).ok_or(DemoError::Unreadable { who: "Bob" })?;
    say(&format!("  {} octets came, with a picture of {} octets in them.", received.len(), content.len()));
    say(&format!("  SHA-256 {}", Digest::of(content)));
    if content != picture {
        return Err(DemoError::Altered);
    }
    say("  It is the same picture.");

    say(&format!("\nWhat the journal says of Bob (restante audit timeline --user sip:bob@{DEMO_REALM}):"));
    timeline(&directory, "bob", say)?;
    host.stop()?;
    say("\nThe post office closed in order (SIGTERM, exit code 0).");
    Ok(())
}

/// DEF-2: INVITE, 200, ACK; SENDs; BYE.
fn send(alice: &mut Agent, message: &[u8], say: &impl Fn(&str)) -> Result<(), DemoError> {
    let mut request = Request::new(Method::Invite, format!("sip:bob@{DEMO_REALM}"));
    request.headers.push("To", format!("<sip:bob@{DEMO_REALM}>"));
    request.headers.push("Contact", alice.contact());
    request
        .headers
        .push("Accept-Contact", "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.largemsg\"");
    request.headers.push("Conversation-ID", "demo-conversation");
    request.headers.push("Contribution-ID", "demo-contribution");
    request.headers.push("Content-Type", "application/sdp");
    let size = format!("a=file-selector:size:{}\r\n", message.len());
    request.body = description(ALICE, "sendonly", &size).into_bytes().into();
    let accepted = exchange(alice, request, 200, say)?;
    alice.confirm(&accepted)?;
    let path =
        path(accepted.headers.get("Content-Type"), &accepted.body).ok_or(DemoError::Unreadable { who: "Alice" })?;
    say(&format!("  alice  -> ACK: the message may come to {path}"));
    let chunks = Ends { who: "Alice", own: ALICE, peer: &path }.send(message)?;
    say(&format!("  alice  -> {chunks} MSRP SENDs, each answered 200; the last one after the fsync."));
    alice.hang_up(&accepted)?;
    say("  alice  -> BYE       200 OK");
    Ok(())
}

/// SNDL: the server calls, Bob connects and takes it.
fn receive(bob: &mut Agent, say: &impl Fn(&str)) -> Result<Vec<u8>, DemoError> {
    let invite = bob.receive()?;
    say("  bob    <- INVITE, from the server:");
    for name in ["P-Asserted-Service", "Accept-Contact", "Conversation-ID", "Session-Expires", "User-Agent"] {
        for value in invite.headers.all(name) {
            say(&format!("              {name}: {value}"));
        }
    }
    for line in String::from_utf8_lossy(&invite.body).lines().filter(|line| line.starts_with("a=")) {
        say(&format!("              {line}"));
    }
    let path = path(invite.headers.get("Content-Type"), &invite.body).ok_or(DemoError::Unreadable { who: "Bob" })?;
    bob.answer(&invite, "application/sdp", &description(BOB, "recvonly", ""))?;
    say("  bob    -> 200 OK: Bob will connect, as phones behind a NAT must.");
    let received = Ends { who: "Bob", own: BOB, peer: &path }.receive()?;
    let bye = loop {
        let request = bob.receive()?;
        if request.method == Method::Bye {
            break request;
        }
    };
    bob.accept(&bye)?;
    say("  bob    <- BYE: all of it was answered 200, and the message leaves the queue.");
    Ok(received)
}

/// One MSRP medium; we connect, whichever way the message goes.
fn description(own: &str, direction: &str, more: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\n\
         a=accept-types:message/cpim\r\na=path:{own}\r\n{more}a=setup:active\r\na={direction}\r\n"
    )
}

/// Where the other end is to be found.
fn path(content_type: Option<&str>, body: &bytes::Bytes) -> Option<String> {
    let media = Offer::read(&sdp_of(content_type, body)?).ok()?.message_media()?;
    Some(media.path.join(" "))
}

/// The picture in its CPIM wrapper.
fn message(picture: &[u8]) -> Vec<u8> {
    let head = format!(
        "From: <sip:alice@{DEMO_REALM}>\r\nTo: <sip:bob@{DEMO_REALM}>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
         imdn.Message-ID: demo-picture\r\nimdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n\
         Content-Type: image/bmp\r\nContent-Length: {}\r\n\r\n",
        picture.len()
    );
    [head.as_bytes(), picture].concat()
}

/// CPIM headers and MIME headers, and what is behind them.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = memchr::memmem::find(message, b"\r\n\r\n")? + 4;
    let second = first + memchr::memmem::find(message.get(first..)?, b"\r\n\r\n")? + 4;
    message.split_at_checked(second)
}

/// A sunset: a bitmap of 24 bits a pixel, rows from below.
fn picture() -> Vec<u8> {
    let octets = WIDTH * HEIGHT * 3;
    let mut picture = Vec::with_capacity(54 + octets as usize);
    picture.extend_from_slice(b"BM");
    for word in [54 + octets, 0, 54, 40, WIDTH, HEIGHT, 0x0018_0001, 0, octets, 2835, 2835, 0, 0] {
        picture.extend_from_slice(&word.to_le_bytes());
    }
    let shade = |part: u32, whole: u32| u8::try_from(part * 255 / whole).unwrap_or(u8::MAX);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (across, up) = (x.abs_diff(WIDTH / 2), y.abs_diff(HEIGHT / 3));
            let sun = across * across + up * up < 70 * 70;
            let sky = [shade(y, HEIGHT), shade(HEIGHT - y, 2 * HEIGHT), shade(HEIGHT - y / 2, HEIGHT)];
            picture.extend_from_slice(if sun { &[64, 200, 255] } else { &sky });
        }
    }
    picture
}
