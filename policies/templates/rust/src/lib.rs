//! {{name}}: what a bank sends is discarded when it has expired; with everything else happens what its recipient prefers.
#![no_std]

use restante_policy::prelude::*;

struct Rule {
    domain: String,
}

impl Policy for Rule {
    const SCHEMA: &'static str = include_str!("../settings.json");

    fn configure(settings: &Object) -> Result<Self, String> {
        // The domains of senders come in lower case.
        Ok(Self { domain: settings.text("domain")?.unwrap_or("bank.example").to_ascii_lowercase() })
    }
}

impl Expiry for Rule {
    fn judge(&self, context: &Context, message: &Message) -> Result<expiry::Verdict, String> {
        let domain = message.sender.as_ref().and_then(|sender| sender.split('@').nth(1));
        if domain == Some(self.domain.as_str()) {
            debug!("from {}: it is not kept", self.domain);
            return Ok(expiry::Verdict::Discard);
        }
        Ok(standard::expiry(context))
    }
}

// Decides more? Implement Admission, Handling, Delivery or Notification, and list it here.
restante_policy::export!(Rule with settings: expiry);
