//! Offers refused: the answers to management INVITEs (I-13).

use super::*;
use proptest::prelude::*;

const WX_6: &str = include_str!("../../../tests/fixtures/wx/wx-06-management-invite.sip");
const WX_7: &str = include_str!("../../../tests/fixtures/wx/wx-07-200.sip");

const OWN: Own =
    Own { session_id: 3_476_511_301, version: 1, address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10)) };

fn offer() -> &'static str {
    let rest = &WX_6[WX_6.find("v=0").unwrap()..];
    &rest[..rest.find("\r\n--").unwrap()]
}

fn answer(offer: &str) -> String {
    String::from_utf8(Offer::read(offer.as_bytes()).unwrap().refuse(&OWN)).unwrap()
}

#[test]
fn i_13_the_offer_of_wx_6_is_answered_with_wx_7_octet_for_octet() {
    assert_eq!(answer(offer()), WX_7.split_once("\r\n\r\n").unwrap().1);
}

#[test]
fn i_13_every_medium_is_refused_in_the_order_offered() {
    let many = "v=0\no=x 1 1 IN IP6 ::1\ns=x\nt=5 6\nm=audio 49170/2 RTP/AVP 0 8\na=sendrecv\nm=video 1 RTP/AVP 31\n";
    let answer = answer(many);
    assert!(answer.ends_with("t=5 6\r\nm=audio 0 RTP/AVP 0 8\r\nm=video 0 RTP/AVP 31\r\n"), "{answer}");
}

#[test]
fn i_13_no_media_no_offer() {
    let none = "v=0\r\no=- 3476511301 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
    assert_eq!(answer("v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nt=0 0\r\n"), none);
    assert_eq!(String::from_utf8(OWN.empty_offer()).unwrap(), none);
    let own = Own { address: "2001:db8::1".parse().unwrap(), ..OWN };
    assert!(String::from_utf8(own.empty_offer()).unwrap().contains("\r\nc=IN IP6 2001:db8::1\r\n"));
}

#[test]
fn what_is_beyond_a_limit_or_malformed_is_refused() {
    let head = "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n";
    let many = |n: usize| format!("{head}{}", "m=message 9 TCP/MSRP *\r\n".repeat(n));
    assert_eq!(Offer::read(many(MEDIA_MAX).as_bytes()).unwrap().media(), MEDIA_MAX);
    assert_eq!(Offer::read(many(MEDIA_MAX + 1).as_bytes()), Err(SdpError::TooManyMedia(MEDIA_MAX)));
    assert_eq!(Offer::read(&vec![b'x'; OCTETS_MAX + 1]), Err(SdpError::TooLong(OCTETS_MAX)));
    assert_eq!(Offer::read(format!("{head}m=message x\r\n").as_bytes()), Err(SdpError::Malformed(5)));
    assert!(Offer::read(b"").is_err());
}

#[test]
fn debug_shows_no_address() {
    assert_eq!(format!("{:?}", Offer::read(offer().as_bytes()).unwrap()), "Offer(1 media)");
}

proptest! {
    #[test]
    fn an_answer_can_be_read_again(text in "v=0\n(o=- 1 1 IN IP4 h\n)?(s=.?\n)?(t=[0-9]{0,3} 0\n)?([macbzkrt]=[a-z0-9 /:*]{0,20}\n){0,5}") {
        if let Ok(offer) = Offer::read(text.as_bytes()) {
            prop_assert_eq!(Offer::read(&offer.refuse(&OWN)).unwrap().media(), offer.media());
        }
    }
}
