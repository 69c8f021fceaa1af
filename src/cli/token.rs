//! `restante token new`: a fresh bearer token, and what the configuration must say of it.

use super::{CliError, out};
use crate::config::Role;
use crate::types::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

/// Octets of chance in a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;
/// What a token of ours begins with, so that one that got lost is known for what it is.
const PREFIX: &str = "restante_";

/// Prints the token once; the server is told its digest only.
pub(super) fn new(name: &str, roles: &[Role], json: bool) -> Result<(), CliError> {
    let mut chance = [0; TOKEN_BYTES];
    getrandom::fill(&mut chance).map_err(|_| CliError::NoChance)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(chance));
    let sha256 = Digest::of(token.as_bytes()).to_string();
    let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
    if json {
        let object = json!({ "token": token, "name": name, "sha256": sha256, "roles": roles });
        out::result(serde_json::to_string_pretty(&object).unwrap_or_default());
    } else {
        out::result(text(&token, name, &sha256, &roles));
    }
    Ok(())
}

fn text(token: &str, name: &str, sha256: &str, roles: &[String]) -> String {
    // Both are TOML strings: a name may have quotes in it.
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let (name, roles) = (quoted(name), roles.iter().map(|role| quoted(role)).collect::<Vec<_>>().join(", "));
    format!(
        "{token}\n\nKeep it where only its owner reads it: it is shown once and stored nowhere. In the server's configuration:\n\n\
         [[admin.tokens]]\nname = {name}\nsha256 = \"{sha256}\"\nroles = [{roles}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdminToken;

    #[test]
    fn what_is_printed_is_what_the_configuration_wants() {
        let text =
            text("restante_x", "an \"operator\"", &"ab".repeat(32), &["operator:*".to_owned(), "sre".to_owned()]);
        let (_, configuration) = text.split_once("[[admin.tokens]]\n").unwrap();
        let token: AdminToken = toml::from_str(configuration).unwrap();
        assert_eq!(token.name, "an \"operator\"");
        assert_eq!(token.roles, [Role::Operator(None), Role::Sre]);
    }
}
