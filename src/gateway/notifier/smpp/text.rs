//! From a notice to the short messages that tell it: number, text, encoding, parts.

use super::SmppSetupError;
use crate::config::{self, SmppEncoding, SmppLong};
use crate::gateway::notifier::{Notice, NotifyError};
use crate::queue::question::NotificationCause;
use crate::types::Address;
use rusmpp::extra::encoding::gsm7bit::Gsm7BitUnpacked;
use rusmpp::pdus::SubmitSm;
use rusmpp::tlvs::MessageSubmissionRequestTlvValue;
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{DataCoding, MessagePayload, Npi, Ton};
use sha2::{Digest as _, Sha256};
use std::str::FromStr as _;

/// Septets and octets that one short message holds, alone and as a part behind a user data header of 6 octets
/// (3GPP TS 23.040 section 9.2.3.24).
const GSM7_ALONE: usize = 160;
const GSM7_PART: usize = 153;
const UCS2_ALONE: usize = 140;
const UCS2_PART: usize = 134;
/// In the GSM 7-bit alphabet the next septet belongs to this one.
const ESCAPE: u8 = 0x1b;
/// Octets of the longest `message_payload` that others are known to take.
const PAYLOAD_MAX: usize = 2048;

/// Makes short messages from notices.
pub(super) struct Composer {
    source: COctetString<1, 21>,
    ton: Ton,
    npi: Npi,
    text: String,
    text_discarded: String,
    text_stored: String,
    encoding: SmppEncoding,
    long: SmppLong,
}

/// An encoded text.
struct Encoded {
    octets: Vec<u8>,
    coding: DataCoding,
    alone: usize,
    part: usize,
}

impl Composer {
    /// # Errors
    /// [`SmppSetupError::Value`] if the source is no address of SMPP.
    pub(super) fn new(config: &config::Smpp) -> Result<Self, SmppSetupError> {
        let (source, ton, npi) = source_of(&config.source);
        let source = COctetString::from_str(source).map_err(|_| SmppSetupError::Value { key: "smpp.source" })?;
        Ok(Self {
            source,
            ton: config.source_ton.map_or(ton, Ton::from),
            npi: config.source_npi.map_or(npi, Npi::from),
            text: config.text.clone(),
            text_discarded: config.text_discarded.clone(),
            text_stored: config.text_stored.clone(),
            encoding: config.encoding,
            long: config.long,
        })
    }

    /// The short messages for a notice, in order.
    ///
    /// # Errors
    /// [`NotifyError::Refused`] if the user has no number, or the text cannot be said.
    pub(super) fn compose(&self, notice: &Notice) -> Result<Vec<SubmitSm>, NotifyError> {
        let refused = |cause: &str| NotifyError::Refused { cause: cause.to_owned() };
        let number = number_of(&notice.user).ok_or_else(|| refused("the user's address holds no E.164 number"))?;
        let destination = COctetString::from_str(number).map_err(|_| refused("the user's number is too long"))?;
        let encoded = self.encode(&self.text_of(notice)).ok_or_else(|| {
            refused("the text has characters that the GSM 7-bit alphabet lacks: change it, or smpp.encoding")
        })?;
        let message = SubmitSm::builder()
            .source_addr_ton(self.ton)
            .source_addr_npi(self.npi)
            .source_addr(self.source.clone())
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(destination)
            .data_coding(encoded.coding)
            .build();
        let messages = if encoded.octets.len() <= encoded.alone {
            in_parts(&message, vec![encoded.octets])
        } else if self.long == SmppLong::Payload {
            in_payload(message, encoded.octets)
        } else {
            with_headers(&message, &encoded, reference_of(&notice.id))
        };
        messages.ok_or_else(|| refused("the text is too long"))
    }

    fn text_of(&self, notice: &Notice) -> String {
        let text = match notice.cause {
            NotificationCause::Deferred | NotificationCause::Reminder => &self.text,
            NotificationCause::ExpiredDiscarded => &self.text_discarded,
            NotificationCause::ExpiredStored => &self.text_stored,
        };
        text.replace("{count}", &notice.total.to_string())
    }

    fn encode(&self, text: &str) -> Option<Encoded> {
        let gsm7 = || {
            let octets = Gsm7BitUnpacked::new().encode_to_vec(text).ok()?;
            Some(Encoded { octets, coding: DataCoding::McSpecific, alone: GSM7_ALONE, part: GSM7_PART })
        };
        // Phones read UCS-2 as UTF-16.
        let ucs2 = || {
            let octets = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            Encoded { octets, coding: DataCoding::Ucs2, alone: UCS2_ALONE, part: UCS2_PART }
        };
        match self.encoding {
            SmppEncoding::Auto => Some(gsm7().unwrap_or_else(ucs2)),
            SmppEncoding::Gsm7 => gsm7(),
            SmppEncoding::Ucs2 => Some(ucs2()),
        }
    }
}

/// The source address, its type of number and its numbering plan, as most SMSCs want them.
fn source_of(source: &str) -> (&str, Ton, Npi) {
    match source.strip_prefix('+') {
        Some(number) => (number, Ton::International, Npi::Isdn),
        None if source.is_empty() || source.bytes().all(|b| b.is_ascii_digit()) => (source, Ton::Unknown, Npi::Unknown),
        None => (source, Ton::Alphanumeric, Npi::Unknown),
    }
}

/// The digits of a user's E.164 number: `+` and 1 to 15 digits, the first of them not 0.
fn number_of(user: &Address) -> Option<&str> {
    let digits = user.user().strip_prefix('+')?;
    let good = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    (good && !digits.starts_with('0')).then_some(digits)
}

/// By which a phone knows the parts of one text: the same at every try, so that it can join parts of different tries.
fn reference_of(id: &str) -> u8 {
    Sha256::digest(id)[0]
}

fn in_parts(message: &SubmitSm, parts: Vec<Vec<u8>>) -> Option<Vec<SubmitSm>> {
    let part = |octets| Some(message.clone().with_short_message(OctetString::from_vec(octets).ok()?));
    parts.into_iter().map(part).collect()
}

fn in_payload(mut message: SubmitSm, octets: Vec<u8>) -> Option<Vec<SubmitSm>> {
    if octets.len() > PAYLOAD_MAX {
        return None;
    }
    let payload = MessagePayload::new(AnyOctetString::from_vec(octets));
    message.push_tlv(MessageSubmissionRequestTlvValue::MessagePayload(payload));
    Some(vec![message])
}

/// Several short messages, each with a header that says which part of how many it is.
fn with_headers(message: &SubmitSm, encoded: &Encoded, reference: u8) -> Option<Vec<SubmitSm>> {
    let mut parts = Vec::new();
    let mut rest = encoded.octets.as_slice();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(cut(rest, encoded));
        parts.push(part);
        rest = after;
    }
    let count = u8::try_from(parts.len()).ok()?;
    let header = |number| [5, 0, 3, reference, count, number];
    let parts = (1..=count).zip(parts).map(|(number, part)| [&header(number), part].concat()).collect();
    in_parts(&message.clone().with_udhi_indicator(), parts)
}

/// Where the next part ends: not inside of a character.
fn cut(rest: &[u8], encoded: &Encoded) -> usize {
    let end = encoded.part;
    if rest.len() <= end {
        return rest.len();
    }
    let inside = match encoded.coding {
        // A unit from 0xd800 to 0xdbff is the first half of a character.
        DataCoding::Ucs2 => rest.get(end - 2).is_some_and(|high| high & 0xfc == 0xd8),
        _ => rest.get(end - 1) == Some(&ESCAPE),
    };
    let unit = if encoded.coding == DataCoding::Ucs2 { 2 } else { 1 };
    if inside { end - unit } else { end }
}

#[cfg(test)]
mod tests;
