//! How we log in on behalf of a user.

use super::super::StoreError;
use super::link::{Link, Then};
use super::session::{quoted, refusal};
use super::wire::Condition;
use crate::config::{Login, Secret, Store};
use crate::types::Address;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Who we are, and how users are called there.
pub(super) struct Credentials {
    login: Login,
    format: String,
    master_user: String,
    master_password: Secret,
}

impl Credentials {
    pub fn new(config: &Store) -> Self {
        Self {
            login: config.login,
            format: config.user_format.clone(),
            master_user: config.master_user.clone(),
            master_password: config.master_password.clone().unwrap_or_else(|| Secret(String::new())),
        }
    }

    /// Logs in for this user.
    pub async fn log_in(&self, link: &mut Link, user: &Address) -> Result<(), StoreError> {
        let name = self.name(user);
        let answer = match self.login {
            Login::Plain => {
                // RFC 4616: for whom, who, password.
                let said = format!("{name}\0{}\0{}", self.master_user, self.master_password.0);
                let said = Bytes::from(STANDARD.encode(said));
                link.exchange("AUTHENTICATE PLAIN", Then::Octets(said)).await?
            }
            Login::Login => {
                let (name, password) = (quoted(&name), quoted(&self.master_password.0));
                let (name, password) = name.zip(password).ok_or(StoreError::Login)?;
                link.command(&format!("LOGIN {name} {password}")).await?
            }
        };
        match (answer.condition, answer.code.name.as_str()) {
            (Condition::Ok, _) => Ok(()),
            (Condition::No, "UNAVAILABLE" | "INUSE" | "LIMIT" | "SERVERBUG") => Err(refusal("log in", &answer)),
            _ => Err(StoreError::Login),
        }
    }

    /// The user's name on the server. What is put in is not looked at again.
    fn name(&self, user: &Address) -> String {
        let mut name = String::new();
        let mut rest = self.format.as_str();
        while let Some(first) = rest.chars().next() {
            let parts = [("{user}", user.user()), ("{host}", user.host()), ("{address}", user.as_str())];
            if let Some((mark, value)) = parts.into_iter().find(|(mark, _)| rest.starts_with(mark)) {
                name.push_str(value);
                rest = &rest[mark.len()..];
            } else {
                name.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_called_as_the_format_says() {
        let name = |format: &str, user: &str| {
            let config = Store { user_format: format.to_owned(), ..Store::default() };
            Credentials::new(&config).name(&Address::parse(user).unwrap())
        };
        assert_eq!(name("{user}@{host}", "sip:+12025550200@ims.test"), "+12025550200@ims.test");
        assert_eq!(name("{user}*restante", "sip:bob@ims.test"), "bob*restante");
        assert_eq!(name("{address}", "sip:bob@ims.test"), "sip:bob@ims.test");
        assert_eq!(name("{user}", "sip:{host}@ims.test"), "{host}", "no format of the user's making");
    }
}
