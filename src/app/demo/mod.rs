//! `restante demo`: the story of two messages, on real SIP over loopback, through a `kill -9`; `--manage`, the story of
//! three that their recipient deals with; and `--large`, that of a picture.
//!
//! The server is this same program, started as a child on the embedded default. Alice and Bob are two small user agents.

mod agent;
mod host;
mod large;
mod manage;
mod session;

use crate::audit::{self, AuditError};
use crate::config::DEMO_REALM;
use crate::journal::RocksReader;
use crate::sip::{Method, Request, Response};
use crate::types::{Address, UserKey};
use agent::Agent;
use host::Host;
use std::io;
use std::time::Duration;

/// Life of the message that nobody fetches, seconds.
const SHORT_LIFE_SECS: u64 = 2;

/// Why the demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("{what}: {cause}; try again, and look for another program that holds the sockets")]
    Io { what: &'static str, cause: io::Error },
    #[error("the server did not start; it said: {0}")]
    NotStarted(io::Error),
    #[error("{who} waited for {what} and did not get it: please report this")]
    Silence { who: &'static str, what: &'static str },
    #[error("{who} expected {expected} and got {got}: please report this")]
    Unexpected { who: &'static str, expected: u16, got: u16 },
    #[error("what arrived is not what was sent: please report this")]
    Altered,
    #[error("the HTTP API answered {status} to {path}: please report this")]
    Api { path: String, status: u16 },
    #[error("{who} got something that cannot be read: please report this")]
    Unreadable { who: &'static str },
    #[error(transparent)]
    Audit(#[from] AuditError),
}

fn io(what: &'static str) -> impl Fn(io::Error) -> DemoError {
    move |cause| DemoError::Io { what, cause }
}

/// Which story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Two messages are deferred: one is pushed, one expires.
    Push,
    /// Three messages wait, and their recipient says what becomes of each.
    Manage,
    /// A picture waits, and is fetched.
    Large,
}

/// Plays the story; `say` gets each step.
///
/// # Errors
/// [`DemoError`] if something does not go as told.
pub fn demo(story: Story, say: impl Fn(&str)) -> Result<(), DemoError> {
    match story {
        Story::Push => push(&say),
        Story::Manage => manage::play(&say),
        Story::Large => large::play(&say),
    }
}

fn push(say: &impl Fn(&str)) -> Result<(), DemoError> {
    let directory = host::Directory::make()?;
    let mut host = Host::start(&directory)?;
    say(&format!("The post office is open: {} in a directory of its own.", host.listening()));
    let mut alice = Agent::new("alice", host.sip())?;
    let mut bob = Agent::new("bob", host.sip())?;

    say("\nBob's phone is off. Alice writes to him.");
    let letter = letter("demo", "Hi Bob, the train is late.");
    send(&mut alice, &letter, &[], say)?;
    say("  It is on the disk: the 202 was sent after the fsync.");

    say("\nNow the server is killed (SIGKILL) and started again.");
    host.kill()?;
    host = Host::start(&directory)?;
    alice.turn_to(host.sip());
    bob.turn_to(host.sip());

    say("\nBob switches his phone on.");
    register(&mut bob, 3600, say)?;
    let delivered = bob.receive()?;
    show_push(&delivered, say);
    if delivered.body != letter {
        return Err(DemoError::Altered);
    }
    say(&format!("  {} octets, the same as Alice sent.", delivered.body.len()));
    bob.accept(&delivered)?;
    say("  bob    -> 200 OK: the message leaves the queue.");

    say("\nBob switches it off. Alice sends a one-time password that is good for two seconds.");
    register(&mut bob, 0, say)?;
    let life = ("Expires", SHORT_LIFE_SECS.to_string());
    send(&mut alice, &self::letter("demo", "Your code is 1234."), &[life], say)?;
    host.wait_for_metric("restante_expiries_total{disposal=\"discarded\"} 1")?;
    say("  It has expired, and the operator's policy (a WASM component) says: discard.");
    register(&mut bob, 3600, say)?;
    if bob.receives_within(Duration::from_secs(1))? {
        return Err(DemoError::Altered);
    }
    say("  Bob is back, and nothing comes: nothing is delivered after its expiry.");

    say("\nWhat the journal says of Bob (restante audit timeline --user sip:bob@restante.test):");
    timeline(&directory, "bob", say)?;
    host.stop()?;
    say("\nThe post office closed in order (SIGTERM, exit code 0).");
    Ok(())
}

/// A CPIM message as an RCS client writes it.
fn letter(id: &str, text: &str) -> Vec<u8> {
    format!(
        "From: <sip:alice@{DEMO_REALM}>\r\nTo: <sip:bob@{DEMO_REALM}>\r\nNS: imdn <urn:ietf:params:imdn>\r\n\
         imdn.Message-ID: {id}\r\nimdn.Disposition-Notification: positive-delivery, negative-delivery\r\n\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

fn send(
    alice: &mut Agent,
    body: &[u8],
    headers: &[(&'static str, String)],
    say: &impl Fn(&str),
) -> Result<(), DemoError> {
    let mut request = Request::new(Method::Message, format!("sip:bob@{DEMO_REALM}"));
    request.headers.push("To", format!("<sip:bob@{DEMO_REALM}>"));
    request.headers.push("Content-Type", "message/cpim");
    request.headers.push("Conversation-ID", "demo-conversation");
    request.headers.push("Contribution-ID", "demo-contribution");
    for (name, value) in headers {
        request.headers.push(*name, value.clone());
    }
    request.body = body.to_vec().into();
    exchange(alice, request, 202, say).map(drop)
}

fn register(agent: &mut Agent, secs: u32, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let mut request = Request::new(Method::Register, format!("sip:{DEMO_REALM}"));
    request.headers.push("To", format!("<sip:{}@{DEMO_REALM}>", agent.user));
    request.headers.push("Contact", agent.contact());
    request.headers.push("Expires", secs.to_string());
    exchange(agent, request, 200, say).map(drop)
}

/// One request and its answer, challenged first, as the server does with clients it has no reason to trust.
fn exchange(agent: &mut Agent, request: Request, expected: u16, say: &impl Fn(&str)) -> Result<Response, DemoError> {
    let (who, method) = (agent.user, request.method.clone());
    let shown = |response: &Response| format!("{} {}", response.status, response.reason);
    let challenged = agent.ask(request.clone(), None)?;
    say(&format!("  {who:<6} -> {method:<9} {}", shown(&challenged)));
    let answer = if challenged.status == 401 {
        let answer = agent.ask(request, Some(&challenged))?;
        say(&format!("  {who:<6} -> {method:<9} {}   (with digest credentials)", shown(&answer)));
        answer
    } else {
        challenged
    };
    match answer.status {
        status if status == expected => Ok(answer),
        got => Err(DemoError::Unexpected { who, expected, got }),
    }
}

fn show_push(request: &Request, say: &impl Fn(&str)) {
    say("  bob    <- MESSAGE, pushed by the server:");
    for name in ["Call-ID", "P-Asserted-Service", "Accept-Contact", "Conversation-ID", "Expires", "User-Agent"] {
        for value in request.headers.all(name) {
            say(&format!("              {name}: {value}"));
        }
    }
}

fn timeline(directory: &host::Directory, user: &str, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let journal = RocksReader::open(&directory.data()).map_err(AuditError::from)?;
    let user = Address::parse(&format!("sip:{user}@{DEMO_REALM}")).map(|user| UserKey::of(&user));
    let user = user.map_err(|_| AuditError::UnknownUser)?;
    audit::timeline(&journal, audit::Subject::User(user), |line| say(&format!("  {line}")))?;
    Ok(())
}
