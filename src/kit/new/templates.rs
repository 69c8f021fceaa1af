//! The files of a new project, from `policies/`: what is shared with the shipped policies is there once.

use super::Lang;

/// A file of a project.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub path: &'static str,
    /// With gaps for the name, if it is text.
    pub content: &'static [u8],
}

/// `"path in the project" = "path below policies/"`.
macro_rules! files {
    ($($path:literal = $source:literal),+ $(,)?) => {
        &[$(File { path: $path, content: include_bytes!(concat!("../../../policies/", $source)) }),+]
    };
}

const CASES: &[File] = files!["cases/expired.yaml" = "templates/common/cases/expired.yaml"];

/// For languages whose tools read the contract.
const WIT: &[File] =
    files!["wit/world.wit" = "templates/common/world.wit", "wit/deps/policy.wit" = "../wit/policy.wit"];

const RUST: &[File] = files![
    ".cargo/config.toml" = "templates/rust/cargo/config.toml",
    ".gitignore" = "templates/rust/gitignore",
    "Cargo.lock" = "templates/rust/Cargo.lock",
    "Cargo.toml" = "templates/rust/Cargo.toml",
    "README.md" = "templates/rust/README.md",
    "restante-policy/Cargo.toml" = "guest/Cargo.toml",
    "restante-policy/src/bindings/admission.rs" = "guest/src/bindings/admission.rs",
    "restante-policy/src/bindings/common.rs" = "guest/src/bindings/common.rs",
    "restante-policy/src/bindings/delivery.rs" = "guest/src/bindings/delivery.rs",
    "restante-policy/src/bindings/expiry.rs" = "guest/src/bindings/expiry.rs",
    "restante-policy/src/bindings/handling.rs" = "guest/src/bindings/handling.rs",
    "restante-policy/src/bindings/mod.rs" = "guest/src/bindings/mod.rs",
    "restante-policy/src/bindings/notification.rs" = "guest/src/bindings/notification.rs",
    "restante-policy/src/bindings/settings.rs" = "guest/src/bindings/settings.rs",
    "restante-policy/src/export.rs" = "guest/src/export.rs",
    "restante-policy/src/json.rs" = "guest/src/json.rs",
    "restante-policy/src/kept.rs" = "guest/src/kept.rs",
    "restante-policy/src/lib.rs" = "guest/src/lib.rs",
    "restante-policy/src/log.rs" = "guest/src/log.rs",
    "restante-policy/src/runtime.rs" = "guest/src/runtime.rs",
    "restante-policy/src/standard.rs" = "guest/src/standard.rs",
    "restante-policy/src/tags.rs" = "guest/src/tags.rs",
    "restante-policy/src/time.rs" = "guest/src/time.rs",
    "restante-policy/src/time/rule.rs" = "guest/src/time/rule.rs",
    "restante-policy/src/time/tests.rs" = "guest/src/time/tests.rs",
    "settings.json" = "templates/rust/settings.json",
    "src/lib.rs" = "templates/rust/src/lib.rs",
    "wit/policy.wit" = "../wit/policy.wit",
];

const JS: &[File] = files![
    ".gitignore" = "templates/js/gitignore",
    "README.md" = "templates/js/README.md",
    "build.mjs" = "templates/js/build.mjs",
    "package.json" = "templates/js/package.json",
    "policy.js" = "templates/js/policy.js",
];

const PYTHON: &[File] = files![
    ".gitignore" = "templates/python/gitignore",
    "README.md" = "templates/python/README.md",
    "policy.py" = "templates/python/policy.py",
    "requirements.txt" = "templates/python/requirements.txt",
];

const C: &[File] = files![
    ".gitignore" = "templates/c/gitignore",
    "README.md" = "templates/c/README.md",
    "bindings/policy.c" = "templates/c/bindings/policy.c",
    "bindings/policy.h" = "templates/c/bindings/policy.h",
    "bindings/policy_component_type.o" = "templates/c/bindings/policy_component_type.o",
    "build.sh" = "templates/c/build.sh",
    "include/stdlib.h" = "business-senders-c/include/stdlib.h",
    "include/string.h" = "business-senders-c/include/string.h",
    "json.c" = "business-senders-c/json.c",
    "json.h" = "business-senders-c/json.h",
    "rule.c" = "templates/c/rule.c",
    "runtime.c" = "business-senders-c/runtime.c",
];

/// All files of a project in this language.
pub(super) fn files(lang: Lang) -> impl Iterator<Item = File> {
    let (own, shared): (&[File], &[&[File]]) = match lang {
        Lang::Rust => (RUST, &[CASES]),
        Lang::Js => (JS, &[CASES, WIT]),
        Lang::Python => (PYTHON, &[CASES, WIT]),
        Lang::C => (C, &[CASES, WIT]),
    };
    own.iter().chain(shared.iter().flat_map(|files| files.iter())).copied()
}
