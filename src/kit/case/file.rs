//! Case files: one case, or a list of them, as YAML or JSON.

use super::{CASES_MAX, Case, CaseError};
use serde::Deserialize as _;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_yaml_ng::with::singleton_map_recursive;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

/// Longest case file, octets.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// Reads the cases of a file; those without a name get the file's name, and a number if there are several.
///
/// # Errors
/// [`CaseError`], with the file and the place in it.
pub fn read(file: &Path) -> Result<Vec<Case>, CaseError> {
    let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    let read = |cause| CaseError::Read { file: file.to_owned(), cause };
    let mut octets = Vec::new();
    let opened = std::fs::File::open(file).map_err(read)?;
    opened.take(FILE_BYTES_MAX + 1).read_to_end(&mut octets).map_err(read)?;
    if octets.len() as u64 > FILE_BYTES_MAX {
        return Err(CaseError::TooLong { file: file.to_owned() });
    }
    let text = String::from_utf8(octets)
        .map_err(|error| CaseError::Encoding { file: file.to_owned(), at: error.utf8_error().valid_up_to() })?;
    let found = match kind {
        "yaml" | "yml" => from_yaml(&text),
        "json" => from_json(&text),
        _ => return Err(CaseError::Kind { file: file.to_owned() }),
    };
    let mut cases = found.map_err(|error| match error {
        CaseError::Form { detail } => CaseError::In { file: file.to_owned(), detail },
        other => other,
    })?;
    name(&mut cases, file);
    Ok(cases)
}

fn name(cases: &mut [Case], file: &Path) {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let alone = cases.len() == 1;
    for (index, case) in cases.iter_mut().enumerate().filter(|(_, case)| case.name.is_empty()) {
        case.name = if alone { stem.clone() } else { format!("{stem} {}", index + 1) };
    }
}

/// The cases of a YAML document.
///
/// # Errors
/// [`CaseError::Form`], with line and column.
pub fn from_yaml(text: &str) -> Result<Vec<Case>, CaseError> {
    let deserializer = serde_yaml_ng::Deserializer::from_str(text);
    let read = singleton_map_recursive::deserialize::<Cases, _>(deserializer);
    read.map(|cases| cases.0).map_err(|error| CaseError::Form { detail: error.to_string() })
}

/// The cases of a JSON document.
///
/// # Errors
/// [`CaseError::Form`], with line and column.
pub fn from_json(text: &str) -> Result<Vec<Case>, CaseError> {
    let read = serde_json::from_str::<Cases>(text);
    read.map(|cases| cases.0).map_err(|error| CaseError::Form { detail: error.to_string() })
}

/// The YAML document of a case.
///
/// # Errors
/// [`CaseError::Write`]; no case that could be read leads there.
pub fn to_yaml(case: &Case) -> Result<String, CaseError> {
    let mut text = Vec::new();
    let mut serializer = serde_yaml_ng::Serializer::new(&mut text);
    singleton_map_recursive::serialize(case, &mut serializer)
        .map_err(|error| CaseError::Write { detail: error.to_string() })?;
    drop(serializer);
    String::from_utf8(text).map_err(|error| CaseError::Write { detail: error.to_string() })
}

/// The JSON document of a case.
///
/// # Errors
/// [`CaseError::Write`]; no case that could be read leads there.
pub fn to_json(case: &Case) -> Result<String, CaseError> {
    serde_json::to_string_pretty(case).map_err(|error| CaseError::Write { detail: error.to_string() })
}

/// One case or a list of them, whichever the document has.
struct Cases(Vec<Case>);

impl<'de> de::Deserialize<'de> for Cases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Vec<Case>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a case (question: …, expect: …) or a list of cases")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Case::deserialize(MapAccessDeserializer::new(map)).map(|case| vec![case])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut cases = Vec::new();
        while let Some(case) = list.next_element::<Case>()? {
            if cases.len() == CASES_MAX {
                return Err(de::Error::custom(format_args!("more than {CASES_MAX} cases in one file: split it")));
            }
            cases.push(case);
        }
        Ok(cases)
    }
}
