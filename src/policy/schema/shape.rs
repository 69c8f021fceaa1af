//! What a schema may be made of, and what it costs: no recursion, nothing from elsewhere, bounded in every direction.

use crate::policy::mask::printable;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Longest schema, octets.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// Schemas within schemas, references followed.
const DEPTH_MAX: usize = 32;

/// The most that [`cost`] may be.
const COST_MAX: u64 = 4_000;

/// What a regular expression costs.
const PATTERN_COST: u64 = 20;

/// Regular expressions in one schema, and octets of one.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 512;

/// The only dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Why a schema is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error("it has {0} octets, more than {SCHEMA_BYTES_MAX}")]
    TooLong(usize),
    #[error("it is no JSON: {why}")]
    NotJson { why: String },
    #[error("it is neither an object nor true or false")]
    NotASchema,
    #[error("at '{at}' there is neither an object nor true or false, as a schema is")]
    NotASchemaAt { at: String },
    #[error("'$schema' is not {DIALECT}")]
    Dialect,
    #[error("the keyword '{keyword}' at '{at}' is not one that this server takes (those of JSON Schema 2020-12 but {}); \
             a note of your own begins with x-", NOT_TAKEN.join(", "))]
    Keyword { at: String, keyword: String },
    #[error("the reference at '{at}' is not of the form #/$defs/NAME, with that name in $defs")]
    Reference { at: String },
    #[error("the definition '{name}' refers to itself: schemas of settings may not be recursive")]
    Recursive { name: String },
    #[error("at '{at}' schemas are nested deeper than {DEPTH_MAX}, references followed")]
    TooDeep { at: String },
    #[error("checking one value comes to more than {COST_MAX} comparisons, references followed: make it smaller")]
    TooCostly,
    #[error("there are more than {PATTERNS_MAX} regular expressions, or one has more than {PATTERN_BYTES_MAX} octets")]
    Patterns,
    #[error("it is not valid at '{at}': {why}")]
    Invalid { at: String, why: String },
}

/// Keywords of the standard that would let a schema reach outside of itself, or make its cost hard to bound.
const NOT_TAKEN: [&str; 8] = [
    "$id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$vocabulary",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];

/// What stands behind a keyword.
enum Kind {
    Schema,
    Schemas,
    Named,
    /// Named by regular expressions.
    Patterned,
    Reference,
    Pattern,
    /// Compared with the value in question.
    Values,
    Dialect,
    /// Nothing that costs.
    Plain,
}

fn kind_of(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "additionalProperties" | "contains" | "else" | "if" | "items" | "not" | "propertyNames" | "then" => {
            Kind::Schema
        }
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Kind::Schemas,
        "$defs" | "dependentSchemas" | "properties" => Kind::Named,
        "patternProperties" => Kind::Patterned,
        "$ref" => Kind::Reference,
        "pattern" => Kind::Pattern,
        "const" | "dependentRequired" | "enum" | "required" => Kind::Values,
        "$schema" => Kind::Dialect,
        "$comment" | "contentEncoding" | "contentMediaType" | "default" | "deprecated" | "description" | "examples"
        | "exclusiveMaximum" | "exclusiveMinimum" | "format" | "maxContains" | "maxItems" | "maxLength"
        | "maxProperties" | "maximum" | "minContains" | "minItems" | "minLength" | "minProperties" | "minimum"
        | "multipleOf" | "readOnly" | "title" | "type" | "uniqueItems" | "writeOnly" => Kind::Plain,
        own if own.starts_with("x-") => Kind::Plain,
        _ => return None,
    })
}

/// What a schema comes to at most, references followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Comparisons for one value.
    pub comparisons: u64,
    /// Regular expressions that one text may be held against.
    pub patterns: u64,
}

/// Reads a schema and what it costs.
///
/// # Errors
/// [`SchemaError`]
pub(super) fn read(text: &str) -> Result<(Value, Cost), SchemaError> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(SchemaError::TooLong(text.len()));
    }
    // The reader itself stops at a depth of 128.
    let value: Value = serde_json::from_str(text).map_err(|error| SchemaError::NotJson { why: error.to_string() })?;
    let definitions = value.get("$defs").and_then(Value::as_object);
    let mut walk = Walk { definitions, known: HashMap::new(), path: Vec::new(), patterns: 0 };
    if !(value.is_object() || value.is_boolean()) {
        return Err(SchemaError::NotASchema);
    }
    let Size { cost: comparisons, patterns, .. } = walk.schema(&value, 0)?;
    Ok((value, Cost { comparisons, patterns }))
}

/// How large a schema is when its references are followed.
#[derive(Clone, Copy, Default)]
struct Size {
    cost: u64,
    patterns: u64,
    height: usize,
}

impl Size {
    const fn of(cost: u64) -> Self {
        Self { cost, patterns: 0, height: 0 }
    }

    fn and(self, other: Self) -> Self {
        Self {
            cost: self.cost.saturating_add(other.cost),
            patterns: self.patterns.saturating_add(other.patterns),
            height: self.height.max(other.height),
        }
    }
}

/// One way through a schema, every definition once.
struct Walk<'s> {
    definitions: Option<&'s Map<String, Value>>,
    /// `None` while it is being walked.
    known: HashMap<&'s str, Option<Size>>,
    path: Vec<&'s str>,
    patterns: usize,
}

impl<'s> Walk<'s> {
    fn at(&self) -> String {
        printable(&self.path.iter().flat_map(|name| ["/", *name]).collect::<String>())
    }

    fn schema(&mut self, schema: &'s Value, depth: usize) -> Result<Size, SchemaError> {
        if depth > DEPTH_MAX {
            return Err(SchemaError::TooDeep { at: self.at() });
        }
        let mut size = Size::of(1);
        match schema {
            Value::Bool(_) => {}
            Value::Object(members) => {
                for (keyword, value) in members {
                    self.path.push(keyword);
                    let part = self.keyword(keyword, value, depth)?;
                    // Definitions cost where they are referred to.
                    if keyword != "$defs" {
                        size = size.and(part);
                    }
                    self.path.pop();
                }
            }
            _ => return Err(SchemaError::NotASchemaAt { at: self.at() }),
        }
        if size.cost > COST_MAX {
            return Err(SchemaError::TooCostly);
        }
        Ok(Size { height: size.height + 1, ..size })
    }

    fn keyword(&mut self, keyword: &'s str, value: &'s Value, depth: usize) -> Result<Size, SchemaError> {
        let Some(kind) = kind_of(keyword) else {
            self.path.pop();
            return Err(SchemaError::Keyword { at: self.at(), keyword: printable(keyword) });
        };
        let plain = Size::of(1);
        match (kind, value) {
            (Kind::Schema, schema) => self.schema(schema, depth + 1),
            (Kind::Schemas, Value::Array(schemas)) => {
                schemas.iter().try_fold(plain, |size, schema| Ok(size.and(self.schema(schema, depth + 1)?)))
            }
            (Kind::Named, Value::Object(_)) if keyword == "$defs" && depth == 0 => self.all_definitions(),
            (Kind::Named, Value::Object(schemas)) => self.named(schemas, depth),
            (Kind::Patterned, Value::Object(schemas)) => {
                let patterns = schemas.keys().try_fold(plain, |size, pattern| Ok(size.and(self.pattern(pattern)?)))?;
                Ok(patterns.and(self.named(schemas, depth)?))
            }
            (Kind::Pattern, Value::String(pattern)) => self.pattern(pattern),
            (Kind::Reference, reference) => self.reference(reference, depth),
            (Kind::Values, values) => Ok(Size::of(super::values(values))),
            (Kind::Dialect, Value::String(dialect)) if dialect.trim_end_matches('#') == DIALECT => Ok(plain),
            (Kind::Dialect, _) => Err(SchemaError::Dialect),
            // The validator's own schema of schemas finds what has the wrong type.
            _ => Ok(plain),
        }
    }

    fn named(&mut self, schemas: &'s Map<String, Value>, depth: usize) -> Result<Size, SchemaError> {
        schemas.iter().try_fold(Size::of(1), |size, (name, schema)| {
            self.path.push(name);
            let part = self.schema(schema, depth + 1)?;
            self.path.pop();
            Ok(size.and(part))
        })
    }

    fn pattern(&mut self, pattern: &str) -> Result<Size, SchemaError> {
        self.patterns += 1;
        if self.patterns > PATTERNS_MAX || pattern.len() > PATTERN_BYTES_MAX {
            return Err(SchemaError::Patterns);
        }
        Ok(Size { patterns: 1, ..Size::of(PATTERN_COST) })
    }

    fn reference(&mut self, reference: &'s Value, depth: usize) -> Result<Size, SchemaError> {
        let name = reference.as_str().and_then(|text| text.strip_prefix("#/$defs/"));
        // Names that would have to be written with escapes are not worth the second way to say them.
        let name = name.filter(|name| !name.contains(['~', '%', '/', '#']));
        match name {
            Some(name) => self.definition(name, depth),
            None => Err(SchemaError::Reference { at: self.at() }),
        }
    }

    fn all_definitions(&mut self) -> Result<Size, SchemaError> {
        for name in self.definitions.into_iter().flat_map(Map::keys) {
            self.path.push(name);
            self.definition(name, 0)?;
            self.path.pop();
        }
        Ok(Size::default())
    }

    fn definition(&mut self, name: &'s str, depth: usize) -> Result<Size, SchemaError> {
        match self.known.get(name) {
            Some(Some(size)) if depth + size.height > DEPTH_MAX => return Err(SchemaError::TooDeep { at: self.at() }),
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(SchemaError::Recursive { name: printable(name) }),
            None => {}
        }
        let Some(schema) = self.definitions.and_then(|definitions| definitions.get(name)) else {
            return Err(SchemaError::Reference { at: self.at() });
        };
        self.known.insert(name, None);
        let size = self.schema(schema, depth + 1)?;
        self.known.insert(name, Some(size));
        Ok(size)
    }
}
