//! What can be wrong with a component, and the words for it: what, why, and what to do.

use crate::policy::failure_name;
use crate::policy::mask::printable;
use crate::queue::question::{Failure, Hook};
use serde::Serialize;
use std::fmt;

/// The version of `wit/policy.wit` that this server speaks.
pub const WIT_VERSION: &str = "1.0.0";

/// Longest name of an interface, with its version.
const NAME_BYTES_MAX: usize = 128;

/// An interface of the package `restante:policy`, as a component names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    pub name: String,
    /// Empty if it names none.
    pub version: String,
}

impl Interface {
    /// Reads `restante:policy/NAME@VERSION`; `None` for anything else, and for names longer than any of ours will be.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("restante:policy/")?;
        let (name, version) = rest.split_once('@').unwrap_or((rest, ""));
        if rest.len() > NAME_BYTES_MAX {
            return None;
        }
        Some(Self { name: name.to_owned(), version: version.to_owned() })
    }

    /// Whether the contract has an interface of this name that components export.
    pub fn is_known(&self) -> bool {
        self.name == "settings" || Hook::ALL.iter().any(|hook| hook.name() == self.name)
    }

    /// Whether this server speaks the version: any 1.x.
    pub fn is_spoken(&self) -> bool {
        self.version.split('.').next() == Some("1")
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, if self.version.is_empty() { "none" } else { &self.version })
    }
}

/// Something wrong with a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Empty,
    TooLarge {
        bytes: usize,
        bytes_max: usize,
    },
    NotWasm,
    CoreModule,
    Precompiled,
    Text,
    Compile {
        detail: String,
    },
    Link {
        detail: String,
    },
    Import {
        name: String,
        functions: Vec<String>,
    },
    /// More imports or exports than any use needs: each would have to be compared, named and kept.
    TooMany {
        imports: usize,
        exports: usize,
        each_max: usize,
    },
    NoInterface,
    Version {
        interface: Interface,
    },
    /// An interface of our package that we never ask: no harm.
    Unknown {
        interface: Interface,
    },
    Incomplete {
        interface: Interface,
    },
    Shape {
        interface: &'static str,
        detail: String,
    },
    Start {
        failure: Failure,
        detail: String,
    },
    Schema {
        detail: String,
    },
    SchemaFailed {
        failure: Failure,
        detail: String,
    },
    /// The settings that it was tried with; `{}` if none were given.
    Settings {
        given: bool,
        detail: String,
    },
    /// Built-in questions that it did not answer.
    SelfTest {
        hook: Hook,
        failed: usize,
        asked: usize,
        first: String,
    },
}

/// A fault in words: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// `error` forbids the component, `notice` does not.
    pub severity: Severity,
    /// A stable word for programs.
    pub kind: &'static str,
    pub what: String,
    pub why: String,
    pub what_to_do: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Notice,
}

/// Texts of a finding without its severity.
type Texts = (&'static str, String, String, &'static str);

const BUILD_HINT: &str = "Build a component for the target wasm32-unknown-unknown with the linker wasm-component-ld, as \
                          docs/policy-authors.md shows";
const WIT_HINT: &str = "Generate your bindings anew from this server's wit/policy.wit (restante:policy@1.0.0), without \
                        changing it";

impl Fault {
    /// Whether the component cannot be used because of it.
    pub const fn forbids(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// In words.
    pub fn finding(&self) -> Finding {
        let (kind, what, why, what_to_do) =
            self.form_texts().or_else(|| self.contract_texts()).unwrap_or_else(|| self.run_texts());
        let severity = if self.forbids() { Severity::Error } else { Severity::Notice };
        // Names in it are the component's.
        let what = printable(&what);
        Finding { severity, kind, what, why, what_to_do: what_to_do.to_owned() }
    }

    /// Faults of the file.
    fn form_texts(&self) -> Option<Texts> {
        let binary = "A policy is a WebAssembly component in its binary form".to_owned();
        Some(match self {
            Self::Empty => ("empty", "The file is empty".to_owned(), binary, BUILD_HINT),
            Self::TooLarge { bytes, bytes_max } => (
                "too-large",
                format!("The file has {bytes} octets"),
                format!("The operator allows {bytes_max} (policy.component-bytes-max)"),
                "Build for size (opt-level \"s\", lto, strip), or ask the operator for a higher limit",
            ),
            Self::NotWasm => ("not-wasm", "The file is not WebAssembly".to_owned(), binary, BUILD_HINT),
            Self::CoreModule => (
                "core-module",
                "The file is a WebAssembly core module, not a component".to_owned(),
                "Only a component says which interfaces it exports and in which version".to_owned(),
                "Link with wasm-component-ld, or run `wasm-tools component new` over the module",
            ),
            Self::Precompiled => (
                "precompiled",
                "The file is precompiled native code".to_owned(),
                "Native code cannot be checked: whoever loads it trusts it blindly".to_owned(),
                "Give the component itself, the .wasm file; this server compiles it",
            ),
            Self::Text => (
                "text",
                "The file is WebAssembly text".to_owned(),
                binary,
                "Translate it with `wasm-tools parse` (and `wasm-tools component new` if it is a module)",
            ),
            Self::Compile { detail } => (
                "compile",
                format!("It cannot be compiled: {detail}"),
                "Either it is damaged, or it is larger or newer than this server allows (memory64, relaxed SIMD, threads, \
                 garbage collection and asynchronous functions are not; initial memory is limited by \
                 policy.memory-bytes-max)"
                    .to_owned(),
                BUILD_HINT,
            ),
            _ => return None,
        })
    }

    /// Faults of its imports and exports.
    fn contract_texts(&self) -> Option<Texts> {
        Some(match self {
            Self::Import { name, functions } => import_texts(name, functions),
            Self::Link { detail } => (
                "link",
                format!("What it imports is not what this server offers: {detail}"),
                "A function that it calls has other parameters here".to_owned(),
                WIT_HINT,
            ),
            Self::TooMany { imports, exports, each_max } => (
                "too-many",
                format!("It has {imports} imports and {exports} exports"),
                format!("The contract has eight interfaces; this server looks at {each_max} of each kind at most"),
                WIT_HINT,
            ),
            Self::NoInterface => (
                "no-interface",
                "It exports none of the interfaces of restante:policy@1.0.0 that decide something".to_owned(),
                "It would never be asked: admission, handling, delivery, expiry and notification are the decisions"
                    .to_owned(),
                WIT_HINT,
            ),
            Self::Version { interface } => (
                "version",
                format!("It exports {interface}"),
                format!("This server speaks {WIT_VERSION} and every other 1.x"),
                WIT_HINT,
            ),
            Self::Unknown { interface } => (
                "unknown-interface",
                format!("It exports {interface}, which this server does not know"),
                format!("The contract {WIT_VERSION} has no such interface, so that it is never asked"),
                "Nothing, if it is for a later server; otherwise compare its name with wit/policy.wit",
            ),
            Self::Incomplete { interface } => (
                "incomplete",
                format!("Its {interface} lacks a function"),
                "The interface is not the one of this server's contract".to_owned(),
                WIT_HINT,
            ),
            Self::Shape { interface, detail } => (
                "shape",
                format!("Its {interface} has another shape: {detail}"),
                "Records and variants are frozen within a major version, in both directions".to_owned(),
                WIT_HINT,
            ),
            _ => return None,
        })
    }

    /// Faults of what it does.
    fn run_texts(&self) -> Texts {
        match self {
            Self::Start { failure, detail } => (
                "start",
                format!("It does not start ({}): {detail}", failure_name(*failure)),
                "An instance has the limits of a call already when it starts".to_owned(),
                "Do nothing when the instance starts; take settings in configure, and keep memory below the limit",
            ),
            Self::Schema { detail } => (
                "schema",
                format!("What settings.schema gives is no JSON Schema that this server takes: {detail}"),
                "Operators' settings are checked against it".to_owned(),
                "Return a JSON Schema as JSON text; {} stands for anything",
            ),
            Self::SchemaFailed { failure, detail } => (
                "schema-failed",
                format!("settings.schema fails ({}): {detail}", failure_name(*failure)),
                "It is asked once, with the limits of a call".to_owned(),
                "Return a constant text",
            ),
            Self::Settings { given: true, detail } => (
                "settings",
                format!("It refuses its settings: {detail}"),
                "A policy decides only with settings that it has taken".to_owned(),
                "Correct the settings, in the words of the policy's own documentation",
            ),
            Self::Settings { given: false, detail } => (
                "settings",
                format!("It refuses the settings {{}}: {detail}"),
                "This server binds a policy without settings, that is with {}".to_owned(),
                "Give every setting a default",
            ),
            Self::SelfTest { hook, failed, asked, first } => (
                "self-test",
                format!("{} fails on {failed} of {asked} built-in questions; first: {first}", hook.name()),
                "Each such failure would cost a verdict: the standard behaviour would stand in".to_owned(),
                "Answer every question, within the deadline, with a verdict that the contract allows",
            ),
            // All others have texts above.
            _ => ("other", "It is not acceptable".to_owned(), String::new(), BUILD_HINT),
        }
    }
}

fn import_texts(name: &str, functions: &[String]) -> Texts {
    let what = format!("It imports {name} ({})", functions.join(", "));
    if name.starts_with("wasi:") {
        return (
            "import",
            what,
            "A policy has no WASI: no clock, no randomness, no file, no network; the same question must always have the \
             same verdict"
                .to_owned(),
            "Build for wasm32-unknown-unknown in place of wasm32-wasip1 or wasm32-wasip2; in other languages, switch the \
             WASI features off",
        );
    }
    (
        "import",
        what,
        "This server offers restante:policy/host@1.0.0 with the one function log, and nothing else".to_owned(),
        "Remove the import; everything a policy may know is in the question",
    )
}
