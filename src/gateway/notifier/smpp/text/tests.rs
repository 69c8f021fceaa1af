//! Numbers, alphabets, and the places where a long text is cut.

use super::*;
use crate::gateway::notifier::tests::notice;

fn composer(change: impl FnOnce(&mut config::Smpp)) -> Composer {
    let mut config = config::Smpp::default();
    change(&mut config);
    Composer::new(&config).unwrap()
}

fn compose(composer: &Composer, user: &str) -> Result<Vec<SubmitSm>, NotifyError> {
    composer.compose(&notice("n-1", user))
}

fn one(text: &str) -> SubmitSm {
    let mut messages = compose(&composer(|config| config.text = text.to_owned()), "tel:+12025550200").unwrap();
    assert_eq!(messages.len(), 1);
    messages.remove(0)
}

#[test]
fn the_number_is_taken_from_tel_and_sip_addresses_with_a_plus() {
    let composer = composer(|_| {});
    for user in ["tel:+12025550200", "sip:+12025550200@ims.test", "sip:+1-202-555-0200@ims.test;user=phone"] {
        let message = &compose(&composer, user).unwrap()[0];
        assert_eq!(message.destination_addr.as_str(), "12025550200", "{user}");
        assert_eq!((message.dest_addr_ton, message.dest_addr_npi), (Ton::International, Npi::Isdn));
    }
    for user in ["sip:alice@ims.test", "tel:5550200", "sip:+alice@ims.test", "tel:+0123", "tel:+1234567890123456"] {
        assert!(compose(&composer, user).unwrap_err().is_final(), "{user}");
    }
}

#[test]
fn the_source_says_what_it_is_unless_it_is_told() {
    let of = |source: &str| {
        let composer = composer(|config| config.source = source.to_owned());
        (composer.source.as_str().to_owned(), composer.ton, composer.npi)
    };
    assert_eq!(of("+12025550100"), ("12025550100".to_owned(), Ton::International, Npi::Isdn));
    assert_eq!(of("4040"), ("4040".to_owned(), Ton::Unknown, Npi::Unknown));
    assert_eq!(of("Restante"), ("Restante".to_owned(), Ton::Alphanumeric, Npi::Unknown));
    let told = composer(|config| (config.source_ton, config.source_npi) = (Some(3), Some(9)));
    assert_eq!((told.ton, told.npi), (Ton::NetworkSpecific, Npi::Private));
    assert!(Composer::new(&config::Smpp { source: "x".repeat(21), ..Default::default() }).is_err());
}

#[test]
fn the_text_counts_and_follows_the_cause() {
    let composer = composer(|_| {});
    let text = |cause, total| composer.text_of(&Notice { cause, total, ..notice("n", "tel:+12025550200") });
    assert!(text(NotificationCause::Deferred, 3).starts_with("You have 3 message(s) waiting"));
    assert!(text(NotificationCause::Reminder, 1).starts_with("You have 1 message(s) waiting"));
    assert!(text(NotificationCause::ExpiredDiscarded, 2).starts_with("2 message(s) for you expired"));
    assert!(text(NotificationCause::ExpiredStored, 4).contains("into your message store"));
    assert!(composer.encode(&composer.text_stored).unwrap().octets.len() <= GSM7_ALONE, "the defaults are one message");
}

#[test]
fn what_the_gsm_alphabet_can_say_is_said_in_it_and_else_in_ucs2() {
    let message = one("Grüße @ 5 €");
    assert_eq!(message.data_coding, DataCoding::McSpecific);
    assert_eq!(message.short_message().as_ref(), b"Gr\x7e\x1ee \x00 5 \x1b\x65");
    let message = one("Привет 👋");
    assert_eq!(message.data_coding, DataCoding::Ucs2);
    let units: Vec<u16> =
        message.short_message().as_ref().chunks(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
    assert_eq!(String::from_utf16(&units).unwrap(), "Привет 👋");
    let strict = composer(|config| (config.text, config.encoding) = ("Привет".to_owned(), SmppEncoding::Gsm7));
    assert!(compose(&strict, "tel:+12025550200").unwrap_err().to_string().contains("smpp.encoding"));
    let wide = composer(|config| (config.text, config.encoding) = ("Hi".to_owned(), SmppEncoding::Ucs2));
    assert_eq!(compose(&wide, "tel:+12025550200").unwrap()[0].short_message().as_ref(), b"\0H\0i");
}

/// The texts of the parts, their headers checked.
fn parts(text: &str) -> Vec<Vec<u8>> {
    let composer = composer(|config| config.text = text.to_owned());
    let messages = compose(&composer, "tel:+12025550200").unwrap();
    assert_eq!(messages, compose(&composer, "tel:+12025550200").unwrap(), "the same at every try");
    let count = u8::try_from(messages.len()).unwrap();
    let part = |(number, message): (u8, &SubmitSm)| {
        assert_eq!(u8::from(message.esm_class) & 0x40, 0x40, "UDHI");
        let (header, text) = message.short_message().as_ref().split_at(6);
        assert_eq!(header, [5, 0, 3, reference_of("n-1"), count, number]);
        text.to_vec()
    };
    (1..).zip(&messages).map(part).collect()
}

#[test]
fn a_text_of_160_septets_or_140_octets_is_one_message() {
    assert_eq!(one(&"x".repeat(160)).short_message().as_ref().len(), 160);
    assert_eq!(one(&"я".repeat(70)).short_message().as_ref().len(), 140);
    assert_eq!(u8::from(one("x").esm_class) & 0x40, 0);
}

#[test]
fn a_longer_text_is_cut_between_characters_and_nothing_is_lost() {
    let lengths = |text: &str| parts(text).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(&"x".repeat(161)), [153, 8]);
    assert_eq!(lengths(&"x".repeat(306)), [153, 153]);
    // The euro takes two septets, which stay together.
    let text = format!("{}€{}", "x".repeat(152), "y".repeat(20));
    assert_eq!(lengths(&text), [152, 22]);
    assert_eq!(parts(&text).concat(), Gsm7BitUnpacked::new().encode_to_vec(&text).unwrap());
    // So do the halves of a character beyond the basic plane.
    assert_eq!(lengths(&"я".repeat(71)), [134, 8]);
    let text = format!("{}👋{}", "я".repeat(66), "я".repeat(10));
    assert_eq!(lengths(&text), [132, 24]);
}

#[test]
fn a_longer_text_may_go_as_payload() {
    let composer = composer(|config| (config.text, config.long) = ("x".repeat(300), SmppLong::Payload));
    let messages = compose(&composer, "tel:+12025550200").unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].sm_length(), 0);
    assert_eq!(messages[0].tlvs().len(), 1);
}
