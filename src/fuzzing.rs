//! What the fuzz targets do with octets: every reader of floor 1, and that what is written can be read again.
//!
//! The package in `fuzz/` runs them against new octets (`script/fuzz`); the test below runs them against the committed
//! corpora with every `cargo test`. A target panics only where the reader is wrong.

use crate::formats::imdn::Imdn;
use crate::formats::msginfo::NotificationFormat;
use crate::formats::sdp::{self, Offer, Own, OwnMedia};
use crate::formats::{Limits, Profile, Ruleset, UserProfile, parse_rfc3339, reginfo, resource_lists};
use crate::msrp::{self, Event, MsrpUri, Receiver, ReceiverEvent, Sender, SenderEvent};
use crate::sip::{self, Frame, Message, NameAddr, Stream, Uri, Via};
use crate::types::Timestamp;
use crate::{cpim, types};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

#[cfg(test)]
type Target = fn(&[u8]);

/// The targets, by the name of their corpus.
#[cfg(test)]
const TARGETS: [(&str, Target); 11] = [
    ("cpim", cpim_headers),
    ("imdn", imdn),
    ("msginfo", msginfo),
    ("msrp", msrp_frames),
    ("multipart", multipart),
    ("name-addr", name_addr),
    ("policy", policy),
    ("reginfo", reginfo_document),
    ("resource-lists", resource_lists_document),
    ("sdp", session_description),
    ("sip", sip_message),
];

/// Most parts and entries that are read here.
const MANY: usize = 100;

/// `sip::parts`: the first line is the Content-Type, the rest the body.
pub fn multipart(octets: &[u8]) {
    let Some((content_type, body)) = text_line(octets) else { return };
    let body = Bytes::copy_from_slice(body);
    if let Ok(parts) = sip::parts(content_type, &body, MANY) {
        assert!(parts.len() <= MANY);
        assert!(parts.iter().map(|part| part.body.len()).sum::<usize>() <= body.len(), "parts do not overlap");
    }
}

/// The SIP message reader: as one datagram, and as a stream that comes in two pieces.
pub fn sip_message(octets: &[u8]) {
    let limits = sip::Limits { header_bytes: 2048, header_lines: 64, body_bytes: 2048 };
    if let Ok(message) = sip::datagram(&Bytes::copy_from_slice(octets), &limits) {
        let printed = message.to_bytes();
        let again = sip::datagram(&printed, &sip::Limits::default());
        assert_eq!(
            again.map(|message| message.to_bytes()),
            Ok(printed),
            "a printed message is read and printed the same"
        );
        if let Message::Request(request) = &message {
            let _ = (request.cseq(), request.from_tag(), request.expires(), Via::list(&request.headers));
        }
    }
    let whole = frames(&[octets], limits);
    let (first, second) = octets.split_at(octets.len() / 2);
    assert_eq!(whole, frames(&[first, second], limits), "frames do not depend on how the octets were split");
}

fn frames(pieces: &[&[u8]], limits: sip::Limits) -> Vec<Frame> {
    let mut stream = Stream::new(limits);
    let mut frames = Vec::new();
    for piece in pieces {
        stream.push(piece);
        // An error that is not fatal is followed by the next message; one that is, by nothing.
        let mut errors = 0;
        while errors < MANY {
            match stream.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) if error.is_fatal() => break,
                Err(_) => errors += 1,
            }
        }
    }
    frames
}

/// MSRP: frames that come whole and in two pieces, a receiver and a sender that get them, and the octets as a message that
/// goes.
pub fn msrp_frames(octets: &[u8]) {
    let whole = msrp_events(&[octets]);
    let (first, second) = octets.split_at(octets.len() / 2);
    assert_eq!(whole, msrp_events(&[first, second]), "events do not depend on how the octets were split");
    msrp_receive(&whole);
    msrp_send(octets, &whole);
}

fn msrp_events(pieces: &[&[u8]]) -> Vec<Event> {
    let mut reader = msrp::Reader::new();
    let mut events: Vec<Event> = Vec::new();
    for piece in pieces {
        reader.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(event)) = reader.next() {
            match (event, events.last_mut()) {
                (Event::Data(more), Some(Event::Data(data))) => *data = [&data[..], &more[..]].concat().into(),
                (event, _) => events.push(event),
            }
        }
        assert!(reader.buffered() <= msrp::HEAD_BYTES_MAX, "no data are held");
    }
    events
}

/// A receiver keeps to its bounds, whatever comes.
fn msrp_receive(events: &[Event]) {
    const LONGEST: u64 = 1000;
    let Some((own, peer)) = msrp_ends() else { return };
    let accept = ["message/cpim".to_owned()].into();
    let settings = msrp::ReceiverSettings { message_bytes_max: LONGEST, ranges_max: 4, accept };
    let mut receiver = Receiver::new(settings, own, peer.into(), msrp::TransactionIds::new([1; 16]));
    let mut ends = 0;
    for event in events {
        match event.clone() {
            Event::Head(head) => receiver.handle_head(*head),
            Event::Data(octets) => receiver.handle_data(octets),
            Event::End(flag) => receiver.handle_end(flag),
        }
        while let Some(event) = receiver.poll_event() {
            match event {
                ReceiverEvent::Write { position, octets } => assert!(position + octets.len() as u64 <= LONGEST),
                ReceiverEvent::Transmit(frame) => assert!(!msrp_events(&[&frame]).is_empty(), "our answers are frames"),
                ReceiverEvent::Complete(finished) => {
                    assert!((1..=LONGEST).contains(&finished.size));
                    receiver.completed(Ok(()));
                    ends += 1;
                }
                ReceiverEvent::Failed(_) => ends += 1,
                ReceiverEvent::Bound => {}
            }
        }
    }
    assert!(ends <= 1, "a message ends once");
}

/// Whatever is sent, and whatever comes back meanwhile, the frames hold the octets.
fn msrp_send(octets: &[u8], events: &[Event]) {
    let Some((own, peer)) = msrp_ends() else { return };
    let message = Bytes::copy_from_slice(octets);
    let outgoing = msrp::Outgoing {
        message_id: "m1".into(),
        content_type: "message/cpim".into(),
        content_disposition: None,
        size: message.len() as u64,
        success_report: true,
    };
    let settings =
        msrp::SenderSettings { chunk_bytes_max: 3000, window: usize::MAX, response: Duration::from_secs(30) };
    let mut sender = Sender::new(settings, own, peer.into(), outgoing, msrp::TransactionIds::new([2; 16]));
    for event in events {
        if let Event::Head(head) = event {
            sender.handle_head(head, Timestamp(0));
            while sender.poll_transmit(Timestamp(0)).is_some() {}
        }
    }
    sender.bound();
    let mut frames = Vec::new();
    loop {
        while let Some(frame) = sender.poll_transmit(Timestamp(0)) {
            frames.extend_from_slice(&frame);
        }
        let Some(want) = sender.wants() else { break };
        let start = usize::try_from(want.position).unwrap_or(usize::MAX);
        sender.give(message.slice(start..start + want.max.min(700)));
    }
    let data = |event| if let Event::Data(data) = event { data } else { Bytes::new() };
    let sent: Vec<Bytes> = msrp_events(&[&frames]).into_iter().map(data).collect();
    let refused = std::iter::from_fn(|| sender.poll_event()).any(|event| matches!(event, SenderEvent::Failed(_)));
    assert!(refused || sent.concat() == octets, "all of it goes");
}

/// The PF's and the client's ends of WX-12.
fn msrp_ends() -> Option<(MsrpUri, MsrpUri)> {
    let own = MsrpUri::new(false, "192.0.2.10", 2855, "q7Zk2mPf").ok()?;
    Some((own, MsrpUri::new(false, "198.51.100.7", 9, "b0bA77x2").ok()?))
}

/// Addresses: name-addr, URI, Via, and the canonical CPM Address.
pub fn name_addr(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(address) = NameAddr::parse(text) {
        let again = NameAddr::parse(&address.to_string());
        assert_eq!(again.map(|address| address.to_string()), Ok(address.to_string()));
    }
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(Uri::parse(&uri.to_string()).map(|uri| uri.to_string()), Ok(uri.to_string()));
        let _ = uri.address();
    }
    if let Ok(via) = Via::parse(text) {
        let _ = sip::response_target(&via);
    }
    if let Ok(address) = types::Address::parse(text) {
        assert_eq!(types::Address::parse(address.as_str()).as_ref(), Ok(&address), "canonical is canonical");
    }
    let _ = (sip::split_list(text).count(), sip::parse_date(text), parse_rfc3339(text));
}

/// The CPIM header reader.
pub fn cpim_headers(octets: &[u8]) {
    let Some(headers) = cpim::read(octets) else { return };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (from, to, id, at) =
        (text(&headers.to), text(&headers.from), text(&headers.message_id), text(&headers.date_time));
    let routes = &headers.record_routes;
    let notification =
        cpim::Notification { from: &from, to: &to, message_id: &id, date_time: &at, record_routes: routes };
    let _ = notification.next_hop();
    assert!(cpim::read(&notification.wrap("message/imdn+xml", b"")).is_some(), "the answer to it is CPIM");
}

/// Disposition notifications.
pub fn imdn(octets: &[u8]) {
    if let Ok(imdn) = Imdn::read(octets, &Limits::default()) {
        assert_eq!(Imdn::read(&imdn.print(), &roomy()), Ok(imdn));
    }
}

/// In-band notifications.
pub fn msginfo(octets: &[u8]) {
    let format = NotificationFormat::Msginfo;
    if let Ok(list) = format.read(octets, &Limits::default(), MANY) {
        let printed = format.print(&list);
        // Dates lose their fractions in print, so that octets are compared and not values.
        assert_eq!(format.read(&printed, &roomy(), MANY).map(|list| format.print(&list)), Ok(printed));
    }
}

/// The list of a management INVITE.
pub fn resource_lists_document(octets: &[u8]) {
    if let Ok(entries) = resource_lists::read(octets, &Limits::default(), MANY) {
        assert!(entries.len() <= MANY);
        let mut uris: Vec<&str> = entries.iter().map(|entry| entry.uri.as_str()).collect();
        uris.sort_unstable();
        assert!(uris.windows(2).all(|two| two[0] != two[1]), "each message once");
    }
}

/// Registration information.
pub fn reginfo_document(octets: &[u8]) {
    if let Ok(info) = reginfo::read(octets, &Limits::default()) {
        let contacts = info.registrations.iter().flat_map(|registration| &registration.contacts);
        assert!(contacts.map(|contact| contact.params.len()).sum::<usize>() <= Limits::default().elements);
    }
}

/// Rules and profile, read and evaluated.
pub fn policy(octets: &[u8]) {
    let rules = Ruleset::read(octets, &Limits::default()).ok();
    let user = UserProfile::read(octets, &Limits::default()).ok();
    let profile = Profile { rules, user, ..Profile::default() };
    for sender in [None, Some("sip:+12025550100@ims.example.net"), Some("tel:+1"), Some("?")] {
        let _ = profile.evaluate(sender, Timestamp::from_secs(1_267_521_247));
    }
}

/// Session descriptions, the answer that refuses them, and the one that takes their MSRP medium.
pub fn session_description(octets: &[u8]) {
    let own = Own { session_id: u64::MAX, version: u64::MAX, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    if let Ok(offer) = Offer::read(octets) {
        let answer = offer.refuse(&own);
        // What we add may make an offer of the longest length longer.
        if answer.len() <= sdp::OCTETS_MAX {
            assert_eq!(Offer::read(&answer).map(|answer| answer.media()), Ok(offer.media()));
        }
        take(&offer);
    }
}

fn take(offer: &Offer) {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let uri = "msrp://127.0.0.1:2855/x;tcp".to_owned();
    let own = OwnMedia { uri, address, port: 2855, secure: false, fingerprint: None };
    let answer = offer.answer(u64::MAX, &own);
    if answer.len() <= sdp::OCTETS_MAX {
        let taken = Offer::read(&answer).ok().and_then(|answer| answer.message_media());
        let path = taken.map(|media| media.path);
        assert_eq!(path, offer.message_media().map(|_| vec![own.uri]), "what was offered is taken");
    }
}

/// For our own print of what was read: escapes and the schema's frame make it longer.
fn roomy() -> Limits {
    let ours = Limits::default();
    Limits { octets: ours.octets * 8, value_octets: ours.value_octets * 8, ..ours }
}

fn text_line(octets: &[u8]) -> Option<(&str, &[u8])> {
    let end = octets.iter().position(|octet| *octet == b'\n')?;
    Some((std::str::from_utf8(octets.get(..end)?).ok()?, octets.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_committed_corpus_file_is_read_without_a_panic() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let files = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|error| panic!("corpus {name}: {error}"));
            let mut count = 0;
            for file in files {
                let path = file.unwrap().path();
                let octets = std::fs::read(&path).unwrap();
                // The last line of a failure says which file it was.
                let result = std::panic::catch_unwind(|| target(&octets));
                assert!(result.is_ok(), "{} breaks the target {name}", path.display());
                count += 1;
            }
            assert!(count > 2, "the corpus of {name} has {count} files");
        }
    }

    #[test]
    fn every_target_has_its_program_and_its_corpus() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let names = |folder: &str| {
            let entries = std::fs::read_dir(fuzz.join(folder)).unwrap();
            let stem = |path: std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut names: Vec<String> = entries.map(|entry| stem(entry.unwrap().path())).collect();
            names.sort();
            names
        };
        let targets = TARGETS.map(|(name, _)| name);
        assert_eq!(names("corpus"), targets);
        assert_eq!(names("fuzz_targets"), targets);
    }
}
