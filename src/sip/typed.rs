//! Header values of our own making, written through `rsip`'s typed headers. (Reading goes through our own tolerant
//! readers: `rsip` refuses much that RFC 4475 calls valid.)

use super::message::Method;

/// The value of an `Allow` header. Methods that `rsip` has no word for are left out: we do not offer any.
#[must_use]
pub fn allow(methods: &[Method]) -> String {
    let known: Vec<rsip::Method> = methods.iter().filter_map(|method| method.as_str().parse().ok()).collect();
    rsip::typed::Allow(known).to_string()
}

/// The value of a `CSeq` header.
#[must_use]
pub fn cseq(number: u32, method: &Method) -> String {
    match method.as_str().parse::<rsip::Method>() {
        Ok(known) if !matches!(method, Method::Other(_)) => {
            rsip::typed::CSeq { seq: number, method: known }.to_string()
        }
        _ => format!("{number} {method}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_wire_examples() {
        use Method::{Ack, Bye, Cancel, Invite, Message, Options};
        assert_eq!(allow(&[Invite, Ack, Bye, Cancel, Options, Message]), "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE");
        assert_eq!(cseq(17, &Method::Register), "17 REGISTER");
        assert_eq!(cseq(1, &Method::Other("register".into())), "1 register");
    }
}
