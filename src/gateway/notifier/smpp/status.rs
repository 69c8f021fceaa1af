//! What a `command_status` of a `submit_sm_resp` means for a notice (SMPP 3.4 section 5.1.3).

use crate::gateway::notifier::NotifyError;
use std::time::Duration;

/// How long an SMSC that has enough is left alone.
const THROTTLED_PAUSE: Duration = Duration::from_secs(10);

const INVALID_MESSAGE_LENGTH: u32 = 0x01;
const INVALID_BIND_STATUS: u32 = 0x04;
const SYSTEM_ERROR: u32 = 0x08;
const INVALID_SOURCE: u32 = 0x0a;
const INVALID_DESTINATION: u32 = 0x0b;
const QUEUE_FULL: u32 = 0x14;
const SUBMIT_FAILED: u32 = 0x45;
const INVALID_SOURCE_TON: u32 = 0x48;
const INVALID_SOURCE_NPI: u32 = 0x49;
const INVALID_DESTINATION_TON: u32 = 0x50;
const INVALID_DESTINATION_NPI: u32 = 0x51;
const THROTTLED: u32 = 0x58;
const TEMPORARY_APPLICATION_ERROR: u32 = 0x64;
const PERMANENT_APPLICATION_ERROR: u32 = 0x65;
const REJECTED: u32 = 0x66;

/// Refused for good is only what this user or this text can never have; what an operator can put right, and what nobody
/// has defined, is tried again.
pub(super) fn meaning(status: u32) -> NotifyError {
    let because = |what: &str| format!("the SMSC answered with status 0x{status:08x}, {what}");
    let refused = |what: &str| NotifyError::Refused { cause: because(what) };
    let later = |what: &str| NotifyError::Later { cause: because(what), after: None };
    match status {
        INVALID_DESTINATION | INVALID_DESTINATION_TON | INVALID_DESTINATION_NPI => {
            refused("the user's number is not valid there")
        }
        INVALID_MESSAGE_LENGTH => refused("the text is too long: shorten it, or see smpp.long"),
        PERMANENT_APPLICATION_ERROR | REJECTED => refused("it rejected the message"),
        THROTTLED | QUEUE_FULL => {
            NotifyError::Later { cause: because("it has enough for now"), after: Some(THROTTLED_PAUSE) }
        }
        INVALID_BIND_STATUS => later("it does not know that we are bound"),
        INVALID_SOURCE | INVALID_SOURCE_TON | INVALID_SOURCE_NPI => {
            later("it does not accept the sender: see smpp.source")
        }
        SYSTEM_ERROR | SUBMIT_FAILED | TEMPORARY_APPLICATION_ERROR => later("it is in trouble"),
        _ => later("which may pass"),
    }
}

/// Whether the SMSC says that there is no bind.
pub(super) const fn is_unbound(status: u32) -> bool {
    status == INVALID_BIND_STATUS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_never_succeed_is_refused_for_good() {
        let refused: Vec<u32> = (0..0x500).filter(|status| meaning(*status).is_final()).collect();
        assert_eq!(refused, [0x01, 0x0b, 0x50, 0x51, 0x65, 0x66]);
    }

    #[test]
    fn an_smsc_that_has_enough_is_left_alone_for_a_while() {
        for status in [0x14, 0x58] {
            assert_eq!(meaning(status).retry_after(), Some(THROTTLED_PAUSE));
        }
        assert_eq!(meaning(0x08).retry_after(), None);
    }
}
