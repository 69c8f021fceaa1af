//! `restante demo --manage`: three messages wait for Bob, and he says what becomes of each (8.3.2.3.2).

use super::agent::Agent;
use super::host::{Directory, Host};
use super::{DemoError, exchange, letter, register, send, timeline};
use crate::config::DEMO_REALM;
use crate::formats::imdn::{Imdn, Status};
use crate::formats::msginfo::{Listed, NotificationFormat};
use crate::formats::{Limits, rfc3339};
use crate::sip::{Method, Request};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What Alice writes: subject, text, and what Bob will want done with it.
const LETTERS: [(&str, &str, &str); 3] = [
    ("Dinner", "Hi Bob, the table is booked for eight.", "deliver"),
    ("Address", "It is 12 Mill Lane, on the left.", "store"),
    ("Lottery", "You will not believe what I won!", "delete"),
];
/// Bob's access rule (RFC 4745): deferred messages are for him to manage, as there is no `allow-push` (DEF-6b).
const RULE: &str = "<cr:ruleset xmlns:cr=\"urn:ietf:params:xml:ns:common-policy\" \
    xmlns:x=\"urn:oma:xml:xdm:extensions\" xmlns:x21=\"urn:oma:xml:xdm:2.1extensions\">\
    <cr:rule id=\"later\"><cr:conditions><x:service-list><x:service enabler=\"CPM\"/></x:service-list>\
    <x:media-list><x21:deferred-messages/></x:media-list></cr:conditions><cr:actions/></cr:rule></cr:ruleset>";
/// Bob in a path of the HTTP API.
const BOB: &str = "sip%3Abob%40restante.test";
/// The folder of the conversation.
const FOLDER: &str = "Default%2Fdemo-conversation";
/// How long to wait for something that the HTTP API will show.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn play(say: &impl Fn(&str)) -> Result<(), DemoError> {
    let directory = Directory::make()?;
    let host = Host::start(&directory)?;
    say(&format!("The post office is open: {} in a directory of its own.", host.listening()));
    let mut alice = Agent::new("alice", host.sip())?;
    let mut bob = Agent::new("bob", host.sip())?;

    say("\nBob wants to be asked: by his preferences deferred messages are not pushed.");
    put_rule(&host, say)?;
    say("\nAlice is registered; Bob's phone is off. She writes to him three times.");
    register(&mut alice, 3600, say)?;
    for (subject, text, _) in LETTERS {
        send(&mut alice, &letter(subject, text), &[("Subject", subject.to_owned())], say)?;
    }
    show_outbox(&host, say)?;

    say("\nBob switches his phone on, and is told what waits.");
    register(&mut bob, 3600, say)?;
    let told = bob.receive()?;
    bob.accept(&told)?;
    let listed = show_system_message(&told, say)?;

    say("\nBob looks at the list and decides: the first here, the second into his message store, the third away.");
    manage(&mut bob, &listed, say)?;
    show_stored(&host, say)?;

    say("\nAlice, who asked for disposition notifications, gets those that the server owes her.");
    for _ in 0..2 {
        show_disposition(&mut alice, say)?;
    }
    say("  That of the delivered one is for Bob's phone to send, when it has shown it.");
    for (user, name) in [("bob", "Bob"), ("alice", "Alice")] {
        say(&format!("\nWhat the journal says of {name} (restante audit timeline --user sip:{user}@{DEMO_REALM}):"));
        timeline(&directory, user, say)?;
    }
    host.stop()?;
    say("\nThe post office closed in order (SIGTERM, exit code 0).");
    Ok(())
}

fn put_rule(host: &Host, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let path = format!("/v1/users/{BOB}/preferences/rules");
    let (status, _) = host.http("PUT", &path, RULE)?;
    say(&format!("  HTTP PUT {path}   {status}"));
    if (200..300).contains(&status) { Ok(()) } else { Err(DemoError::Api { path, status }) }
}

/// MNG-N2: one notification for the absence, whatever comes after.
fn show_outbox(host: &Host, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let page = wait_for(host, "/v1/outbox", |page| page["waiting"] == 1)?;
    let notice = &page["notices"][0]["notice"];
    say(
        "  Nobody of Bob's is registered: one notice out of band, here into the outbox (webhook and SMPP are the others).",
    );
    say("  HTTP GET /v1/outbox:");
    for name in ["user", "cause", "total"] {
        say(&format!("              {name}: {}", notice[name]));
    }
    Ok(())
}

/// MNG-N1: the message-URI-IDs that it lists.
fn show_system_message(told: &Request, say: &impl Fn(&str)) -> Result<Vec<Listed>, DemoError> {
    let unreadable = |_| DemoError::Unreadable { who: "Bob" };
    let list = NotificationFormat::default().read(&told.body, &Limits::default(), 100).map_err(unreadable)?;
    say("  bob    <- MESSAGE, a system message:");
    for name in ["P-Asserted-Service", "Content-Type"] {
        say(&format!("              {name}: {}", told.headers.get(name).unwrap_or_default()));
    }
    say(&format!("              {} messages wait:", list.number));
    for message in &list.messages {
        let (subject, from) =
            (message.subject.as_deref().unwrap_or("-"), message.from.as_deref().unwrap_or("anonymous"));
        say(&format!(
            "              {subject:<8} from {from}, {} octets, until {}",
            message.size,
            rfc3339(message.expiry)
        ));
        say(&format!("                       {}", message.reference));
    }
    say("  bob    -> 200 OK");
    Ok(list.messages)
}

/// MNG-0 … MNG-7: INVITE, 200, ACK; the message that was asked for; BYE.
fn manage(bob: &mut Agent, listed: &[Listed], say: &impl Fn(&str)) -> Result<(), DemoError> {
    let mut request = Request::new(Method::Invite, format!("sip:CPMDeferredMsgMgmt@{DEMO_REALM}"));
    request.headers.push("To", format!("<sip:CPMDeferredMsgMgmt@{DEMO_REALM}>"));
    request.headers.push("Contact", bob.contact());
    request
        .headers
        .push("Accept-Contact", "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.deferred\"");
    request.headers.push("Content-Type", "multipart/mixed;boundary=demo-boundary");
    let entries = entries(listed);
    request.body = body(&entries).into_bytes().into();
    let accepted = exchange(bob, request, 200, say)?;
    say("            what it asks for (application/resource-lists+xml):");
    for entry in &entries {
        say(&format!("              {entry}"));
    }
    bob.confirm(&accepted)?;
    say("  bob    -> ACK: now it is done, and not before.");
    let (mut is_delivered, mut is_over) = (false, false);
    while !(is_delivered && is_over) {
        let request = bob.receive()?;
        if request.method == Method::Bye {
            say("  bob    <- BYE: all that was asked for is on the disk.");
            is_over = true;
        } else {
            let text = String::from_utf8_lossy(&request.body);
            say(&format!("  bob    <- MESSAGE: \"{}\"", text.trim_end().lines().last().unwrap_or_default()));
            is_delivered = true;
        }
        bob.accept(&request)?;
    }
    Ok(())
}

/// What Bob wants done with each of the messages, by its subject.
fn entries(listed: &[Listed]) -> Vec<String> {
    let wanted = |message: &&Listed| LETTERS.iter().find(|(subject, ..)| message.subject.as_deref() == Some(subject));
    let entry = |message: &Listed, action| format!("<entry uri=\"{};cpm_action={action}\"/>", message.reference);
    listed.iter().filter_map(|message| wanted(&message).map(|(.., action)| entry(message, action))).collect()
}

/// WX-6: a session description, because an INVITE has one, and the list.
fn body(entries: &[String]) -> String {
    format!(
        "--demo-boundary\r\nContent-Type: application/sdp\r\n\r\n\
         v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 9 TCP/MSRP *\r\na=inactive\r\n\
         \r\n--demo-boundary\r\nContent-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>{}</list></resource-lists>\r\n\
         --demo-boundary--\r\n",
        entries.concat()
    )
}

/// MNG-5: where it is kept, and what it looks like there.
fn show_stored(host: &Host, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let path = format!("/v1/users/{BOB}/store?folder={FOLDER}");
    let page = wait_for(host, &path, |page| page["objects"].as_array().is_some_and(|objects| !objects.is_empty()))?;
    let uid = page["objects"][0]["uid"].as_u64().unwrap_or_default();
    let path = format!("/v1/users/{BOB}/store/{FOLDER}/{uid}");
    let (status, object) = host.http("GET", &path, "")?;
    if status != 200 {
        return Err(DemoError::Api { path, status });
    }
    say(&format!("\nIn Bob's message store, folder Default/demo-conversation, UID {uid}:"));
    object.lines().for_each(|line| say(format!("  | {line}").trim_end()));
    Ok(())
}

/// MNG-3x, MNG-5x (RFC 5438).
fn show_disposition(alice: &mut Agent, say: &impl Fn(&str)) -> Result<(), DemoError> {
    let unreadable = || DemoError::Unreadable { who: "Alice" };
    let request = alice.receive()?;
    alice.accept(&request)?;
    let text = String::from_utf8_lossy(&request.body);
    let (_, document) = text.split_once("<?xml").ok_or_else(unreadable)?;
    let imdn = Imdn::read(format!("<?xml{document}").as_bytes(), &Limits::default()).map_err(|_| unreadable())?;
    let what = match imdn.status {
        Status::Delivered => "delivered (it is in the store, which is Bob's)",
        Status::Failed => "failed (Bob deleted it)",
        _ => return Err(unreadable()),
    };
    say(&format!("  alice  <- MESSAGE, message/imdn+xml: \"{}\" {what}", imdn.message_id));
    say("  alice  -> 200 OK");
    Ok(())
}

/// Asks the HTTP API until it says so.
fn wait_for(host: &Host, path: &str, is_there: impl Fn(&Value) -> bool) -> Result<Value, DemoError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let (_, body) = host.http("GET", path, "")?;
        if let Some(page) = serde_json::from_str(&body).ok().filter(&is_there) {
            return Ok(page);
        }
        std::thread::sleep(PAUSE);
    }
    Err(DemoError::Silence { who: "the demo", what: "something in the HTTP API" })
}
