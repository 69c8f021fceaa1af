//! Where the build of a project leaves its component.

use super::TestError;
use std::path::{Path, PathBuf};

/// The component of a project. Places, the first that has one: what cargo builds for `wasm32-unknown-unknown` (in
/// `CARGO_TARGET_DIR`, if that is set), `build/`, the project itself, and a file beside it that has its name.
pub(super) fn component(dir: &Path) -> Result<PathBuf, TestError> {
    let looked_for = places(dir);
    for place in &looked_for {
        match place {
            Place::File(file) if file.is_file() => return Ok(file.clone()),
            Place::File(_) => {}
            Place::Any(dir) => {
                let mut found = components(dir);
                match (found.pop(), found.is_empty()) {
                    (Some(only), true) => return Ok(only),
                    (Some(_), false) => return Err(TestError::SeveralComponents { dir: dir.clone() }),
                    (None, _) => {}
                }
            }
        }
    }
    let words = looked_for.iter().map(|place| match place {
        Place::File(file) => file.display().to_string(),
        Place::Any(dir) => dir.join("*.wasm").display().to_string(),
    });
    Err(TestError::NoComponent { dir: dir.to_owned(), looked_for: words.collect::<Vec<_>>().join(", ") })
}

/// Where a component may be.
enum Place {
    File(PathBuf),
    /// The only `.wasm` of a directory.
    Any(PathBuf),
}

fn places(dir: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    if let Some(name) = package(dir) {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| dir.join("target"), PathBuf::from);
        let release = target.join("wasm32-unknown-unknown/release");
        places.push(Place::File(release.join(format!("{}.wasm", name.replace('-', "_")))));
    }
    places.push(Place::Any(dir.join("build")));
    places.push(Place::Any(dir.to_owned()));
    // `.` has no name until it is looked up.
    if let Ok(whole) = dir.canonicalize()
        && let Some(name) = whole.file_name()
    {
        places.push(Place::File(whole.with_file_name(format!("{}.wasm", name.to_string_lossy()))));
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
