//! What leaves the house: cases that mean the same and name nobody.

use super::mask::Mask;
use super::*;
use crate::audit::whatif::tests::{config, standard, town};
use crate::kit::case::{Decision, question_of, verdict_of};
use crate::queue::question::{ClientView, Judge};
use crate::queue::standard;
use crate::shelf::MemoryShelf;
use crate::types::{Address, ClientId, MessageId, Timestamp};

fn export(limit: usize, scope: &Scope) -> Cases {
    let (journal, _) = town(&standard);
    let (shelf, config) = (MemoryShelf::default(), config());
    let mut deciders = Deciders::new(&shelf, &config.policy).unwrap();
    questions(&journal, &config, scope, limit, &mut deciders, 2, &|_| ()).unwrap().0
}

#[test]
fn a_case_asks_the_question_again_and_expects_what_was_decided() {
    let cases = export(1000, &Scope::all());
    assert_eq!(
        cases.iter().map(|(hook, cases)| (*hook, cases.len())).collect::<Vec<_>>(),
        [("admission", 60), ("expiry", 20), ("handling", 60), ("notification", 20),]
    );
    for case in cases.values().flatten() {
        let question = question_of(&case.question).unwrap();
        assert_eq!(verdict_of(case.expect.as_ref().unwrap()), standard::answer(&question), "{}", case.name);
    }
    let expiry = &cases["expiry"][0];
    assert_eq!((expiry.name.as_str(), expiry.question.decision), ("expiry 1: discard, by native", Decision::Expiry));
}

#[test]
fn a_limit_takes_some_of_each_decision_the_same_ones_each_time() {
    let (few, again) = (export(7, &Scope::all()), export(7, &Scope::all()));
    assert!(few.values().all(|cases| cases.len() == 7));
    assert_eq!(few, again);
    let users: std::collections::BTreeSet<_> = few["handling"].iter().map(|case| &case.question.user).collect();
    assert!(users.len() > 3, "of many users: {}", users.len());
}

#[test]
fn cases_name_nobody_and_keep_the_realm() {
    let text = serde_json::to_string(&export(1000, &Scope::all())).unwrap();
    for personal in ["sip:user0@", "alice", "home.test", "secret"] {
        assert!(!text.contains(personal), "{personal}");
    }
    assert!(text.contains("@even.test") && text.contains("domain-1.example") && text.contains("Subject 1"), "{text}");
}

fn masked(mask: &mut Mask, change: impl Fn(&mut Question)) -> Question {
    let samples = crate::policy::samples::all();
    let is_delivery = |question: &Question| matches!(question, Question::Delivery { .. });
    let mut question = samples.into_iter().map(|(_, question)| question).find(is_delivery).unwrap();
    change(&mut question);
    mask.question(&question)
}

fn sender_of(mask: &mut Mask, address: &str) -> String {
    let question = masked(mask, |question| {
        if let Question::Delivery { message, .. } = question {
            message.sender = Some(Address::parse(address).unwrap());
        }
    });
    question.message().sender.as_ref().unwrap().as_str().to_owned()
}

#[test]
fn an_address_keeps_its_kind_and_is_the_same_throughout() {
    let mut mask = Mask::new(["ims.example.net".to_owned()]);
    let names: Vec<String> = [
        "sip:+12025550123@ims.example.net",
        "sip:bob@elsewhere.test",
        "tel:+12025550123",
        "sip:12345@ims.example.net",
        "sip:+12025550123@ims.example.net",
        "sip:eve@elsewhere.test",
        "tel:7",
    ]
    .map(|address| sender_of(&mut mask, address))
    .to_vec();
    assert_eq!(names[0], names[4]);
    assert!(names[0].starts_with("sip:+999") && names[0].ends_with("@ims.example.net"), "{names:?}");
    assert_eq!(names[0].len(), "sip:+12025550123@ims.example.net".len());
    assert!(names[1].starts_with("sip:user-") && names[1].ends_with("@domain-1.example"), "{names:?}");
    assert!(names[5].ends_with("@domain-1.example") && names[5] != names[1], "{names:?}");
    assert!(names[2].starts_with("tel:+999"), "{names:?}");
    assert_eq!(names[3].len(), "sip:12345@ims.example.net".len());
}

#[test]
fn clients_and_their_tags_lose_what_tells_whose_they_are() {
    let client = ClientView {
        id: ClientId("<urn:gsma:imei:35349006-987300-0>".to_owned()),
        tags: [
            "+sip.instance=\"<urn:gsma:imei:35349006-987300-0>\"",
            "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg\"",
            "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg",
            "audio",
            "+g.owner=\"bob@elsewhere.test\"",
            "+g.imsi=\"262011234567890\"",
            "+g.3gpp.icsi-ref=\"Bob Smith's phone\"",
            "+g.owner=\"Bob Smith's phone\"",
            "class=\"business\"",
            "description=\"<Bob's>\"",
            "+example.tablet",
            "sip:bob@elsewhere.test",
        ]
        .map(str::to_owned)
        .to_vec(),
        registered_at: Timestamp(1),
        expires_at: Timestamp(2),
    };
    let question = masked(&mut Mask::new([]), |question| {
        if let Question::Delivery { client: asked, context, .. } = question {
            (*asked, context.clients) = (client.clone(), vec![client.clone()]);
        }
    });
    let Question::Delivery { client: asked, context, .. } = &question else { panic!("a delivery") };
    assert_eq!(&context.clients[0], asked, "the same client is the same");
    assert_eq!(asked.id.0, "<urn:uuid:00000000-0000-4000-8000-000000000001>");
    assert_eq!(
        asked.tags,
        [
            "+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\"",
            "+g.3gpp.icsi-ref=\"urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg\"",
            "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.msg",
            "audio",
            "tag-1=\"value-1\"",
            "tag-2=\"value-2\"",
            "+g.3gpp.icsi-ref=\"value-3\"",
            "tag-1=\"value-3\"",
            "class=\"business\"",
            "description=\"value-4\"",
            "tag-3",
            "tag-4",
        ]
    );
    assert_eq!((asked.registered_at, asked.expires_at), (client.registered_at, client.expires_at));
}

#[test]
fn message_ids_and_media_types_lose_their_chance() {
    let mut mask = Mask::new([]);
    let question = masked(&mut mask, |question| {
        if let Question::Delivery { message, .. } = question {
            message.content_type = "multipart/mixed; boundary=\"bob\"".to_owned();
        }
    });
    let mut first = [0; 16];
    first[15] = 1;
    assert_eq!(question.message().id, MessageId(first));
    assert_eq!(question.message().content_type, "multipart/mixed");
    assert_eq!(masked(&mut mask, |_| ()).message().id, MessageId(first), "the same message is the same");
}

#[test]
fn one_number_is_one_person_however_it_is_written() {
    let mut mask = Mask::new(["ims.example.net".to_owned()]);
    let [sip, tel] =
        ["sip:+12025550123@ims.example.net", "tel:+12025550123"].map(|address| sender_of(&mut mask, address));
    assert_eq!(sip.strip_prefix("sip:").unwrap().split_once('@').unwrap().0, tel.strip_prefix("tel:").unwrap());
}

/// A delivery question of this realm, at this moment, about a message of this sender's.
fn recalled(realm: &str, now: u64, sender: &str, client: &str) -> Recalled {
    let samples = crate::policy::samples::all().into_iter().map(|(_, question)| question);
    let mut question = samples.into_iter().find(|question| question.hook() == Hook::Delivery).unwrap();
    if let Question::Delivery { context, message, client: asked } = &mut question {
        (context.realm, context.now) = (realm.to_owned(), Timestamp(now));
        context.user = Address::parse(&format!("sip:bob@{realm}")).unwrap();
        message.sender = Some(Address::parse(sender).unwrap());
        asked.id = ClientId(client.to_owned());
    }
    let verdict = standard::answer(&question);
    Recalled { question, verdict, judge: Judge::Native }
}

fn chosen(all: impl IntoIterator<Item = Recalled>) -> Choice {
    let mut choice = Choice { limit: 100, chosen: BTreeMap::new() };
    all.into_iter().for_each(|recalled| choice.asked(UserKey([1; 16]), recalled));
    choice
}

#[test]
fn a_realm_that_is_not_configured_stays_in_what_comes_before_it_as_well() {
    let sender = "sip:alice@west.test";
    let choice = chosen([recalled("east.test", 1, sender, "a"), recalled("west.test", 2, "sip:eve@east.test", "a")]);
    assert_eq!(choice.realms(), ["east.test", "west.test"]);
    let mut mask = Mask::new(choice.realms());
    for (_, found) in choice.in_order() {
        for recalled in found {
            let masked = mask.question(&recalled.question);
            let host = |question: &Question| question.message().sender.as_ref().unwrap().host().to_owned();
            assert_eq!(host(&masked), host(&recalled.question));
        }
    }
}

#[test]
fn what_is_withheld_from_two_clients_at_once_is_two_questions() {
    let asked = ["phone", "tablet", "phone"].map(|client| recalled("east.test", 1, "tel:7", client));
    let (_, found) = chosen(asked).in_order().next().unwrap();
    assert_eq!(found.len(), 2);
}
