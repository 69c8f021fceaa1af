//! Settings against the JSON Schema (2020-12) that a component exports: a schema comes from a guest, so it is hostile.
//!
//! What a schema may be is said in `shape`; what is left is given to a validator without the network, whose regular
//! expressions take linear time. A schema is looked at when its component is uploaded, settings when they are bound.

mod shape;

pub use shape::{SCHEMA_BYTES_MAX, SchemaError};

use super::engine::Component;
use super::mask::printable;
use super::policies::SettingsProblem;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

/// Octets of one compiled regular expression, and of the table that its search builds.
const PATTERN_MEMORY_MAX: usize = 64 << 10;

/// What holding one octet against one regular expression comes to, in comparisons. Where the table that its search builds
/// is too small, each of its states is looked at for each octet.
const OCTET_COST: u64 = 20;

/// Most comparisons that one check of settings may come to: the cost of the schema times the values in the settings, and
/// its regular expressions times their octets.
const WORK_MAX: u64 = 20_000_000;

/// Beyond this many comparisons it is only said that something is wrong: every failed one would be an allocation.
const WORK_TOLD_MAX: u64 = 200_000;

/// Problems that are told of.
const PROBLEMS_MAX: usize = 20;

/// A schema that may be used, compiled.
struct Schema {
    validator: Validator,
    cost: shape::Cost,
}

/// Whether the text is a schema that this server takes.
///
/// # Errors
/// [`SchemaError`]: what is wrong, for the component's author.
pub(super) fn check_schema(text: &str) -> Result<(), SchemaError> {
    compile(text).map(|_| ())
}

/// The settings as the component gets them (JSON text without spaces, names in order), if they fit its schema. A
/// component without the interface `settings` takes only `{}`.
///
/// # Errors
/// [`SettingsProblem`]s, at most 20, without any value of the settings.
pub fn check_settings(
    component: &Component,
    settings: &Value,
    bytes_max: usize,
) -> Result<String, Vec<SettingsProblem>> {
    let whole = |what: String| vec![SettingsProblem { at: String::new(), what }];
    let text = sorted(settings).to_string();
    if text.len() > bytes_max {
        let octets = text.len();
        return Err(whole(format!("they have {octets} octets, more than policy.settings-bytes-max ({bytes_max})")));
    }
    let Some(schema) = component.schema() else {
        let none = settings.as_object().is_some_and(Map::is_empty);
        return if none { Ok(text) } else { Err(whole("the policy has no settings: give {}".to_owned())) };
    };
    let schema = compile(schema).map_err(|error| whole(format!("the policy's schema cannot be used: {error}")))?;
    schema.check(settings)?;
    Ok(text)
}

fn compile(text: &str) -> Result<Schema, SchemaError> {
    let (value, cost) = shape::read(text)?;
    let patterns = PatternOptions::regex().size_limit(PATTERN_MEMORY_MAX).dfa_size_limit(PATTERN_MEMORY_MAX);
    let options = jsonschema::options().with_draft(Draft::Draft202012).offline().should_validate_formats(false);
    match options.with_pattern_options(patterns).build(&value) {
        Ok(validator) => Ok(Schema { validator, cost }),
        Err(error) => {
            let (at, why) = (error.instance_path().to_string(), printable(&error.masked().to_string()));
            Err(SchemaError::Invalid { at, why })
        }
    }
}

impl Schema {
    fn check(&self, settings: &Value) -> Result<(), Vec<SettingsProblem>> {
        let whole = |what: &str| vec![SettingsProblem { at: String::new(), what: what.to_owned() }];
        let matched = self.cost.patterns.saturating_mul(OCTET_COST).saturating_mul(octets(settings));
        let work = self.cost.comparisons.saturating_mul(values(settings)).saturating_add(matched);
        if work > WORK_MAX {
            return Err(whole("they are too large for so large a schema: use fewer values, or shorter ones"));
        }
        if self.validator.is_valid(settings) {
            return Ok(());
        }
        if work > WORK_TOLD_MAX {
            return Err(whole("they do not fit the policy's schema; they are too large to say where"));
        }
        // Values may be personal, and whoever reads this has them.
        let told = self.validator.iter_errors(settings).take(PROBLEMS_MAX).map(|error| SettingsProblem {
            at: printable(&error.instance_path().to_string()),
            what: printable(&error.masked().to_string()),
        });
        Err(told.collect())
    }
}

/// How many values there are, at any depth, names among them.
fn values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(values).fold(1, u64::saturating_add),
        Value::Object(members) => members.values().map(|value| 1 + values(value)).fold(1, u64::saturating_add),
        _ => 1,
    }
}

/// Octets of all texts, names among them.
fn octets(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().map(octets).fold(0, u64::saturating_add),
        Value::Object(members) => {
            members.iter().map(|(name, value)| octets(value) + name.len() as u64).fold(0, u64::saturating_add)
        }
        _ => 0,
    }
}

/// The same value with the names of every object in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(members) => {
            let mut names: Vec<(&String, &Value)> = members.iter().collect();
            names.sort_unstable_by_key(|(name, _)| name.as_str());
            Value::Object(names.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests;
