//! Where the build of a project leaves its component.

use super::TestError;
use std::path::{Path, PathBuf};

/// The component of a project. Places, the first that has one: what cargo builds for `wasm32-unknown-unknown` (in
/// `CARGO_TARGET_DIR`, if that is set), `build/`, the project itself, and a file beside it that has its name.
pub(super) fn component(dir: &Path) -> Result<PathBuf, TestError> {
    let looked_for = places(dir);
    for place in &looked_for {
        if place.extension().is_some() {
            if place.is_file() {
                return Ok(place.clone());
            }
            continue;
        }
        let mut found = components(place);
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => return Ok(only),
            (Some(_), false) => return Err(TestError::SeveralComponents { dir: place.clone() }),
            (None, _) => {}
        }
    }
    let words = looked_for.iter().map(|place| match place.extension() {
        Some(_) => place.display().to_string(),
        None => place.join("*.wasm").display().to_string(),
    });
    Err(TestError::NoComponent { dir: dir.to_owned(), looked_for: words.collect::<Vec<_>>().join(", ") })
}

/// Files by their name, directories by any `.wasm` in them.
fn places(dir: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(name) = package(dir) {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| dir.join("target"), PathBuf::from);
        places.push(target.join("wasm32-unknown-unknown/release").join(format!("{}.wasm", name.replace('-', "_"))));
    }
    places.push(dir.join("build"));
    places.push(dir.to_owned());
    // `.` has no name until it is looked up.
    if let Ok(whole) = dir.canonicalize()
        && let Some(name) = whole.file_name()
    {
        places.push(whole.with_file_name(format!("{}.wasm", name.to_string_lossy())));
    }
    places
}

/// The name of the package that cargo would build.
fn package(dir: &Path) -> Option<String> {
    let manifest: toml::Table = std::fs::read_to_string(dir.join("Cargo.toml")).ok()?.parse().ok()?;
    manifest.get("package")?.get("name")?.as_str().map(str::to_owned)
}

fn components(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|kind| kind == "wasm")).collect()
}
