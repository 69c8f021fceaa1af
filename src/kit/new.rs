//! `restante policy new`: writes a project that builds as it is, and needs nothing of this repository.

mod templates;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use templates::File;

/// Longest name of a project, octets: what the catalogue takes.
pub const NAME_BYTES_MAX: usize = crate::policy::policies::NAME_BYTES_MAX;

/// What a policy can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    Rust,
    Js,
    Python,
    C,
}

impl Lang {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::Rust, Self::Js, Self::Python, Self::C];
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub dir: PathBuf,
    /// Paths inside of it, in order.
    pub files: Vec<String>,
}

/// The next steps, for whoever has just made it.
impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display();
        write!(
            f,
            "{dir}: {} files are written; {dir}/README.md has the commands that build and try it",
            self.files.len()
        )
    }
}

/// Why no project is written.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error(
        "'{name}' is no name of a policy: use small letters, digits, - and _, a letter first and no - or _ at the end, \
         at most {NAME_BYTES_MAX}"
    )]
    Name { name: String },
    #[error("{} is there already and not empty: name another directory with --dir", dir.display())]
    Taken { dir: PathBuf },
    #[error("{} cannot be written: {cause}. Check the permissions and the room on the disk", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
}

/// Writes the project of a policy of this name into a directory, which is made if it is not there.
///
/// # Errors
/// [`NewError`]; what was there is never touched.
pub fn new(name: &str, lang: Lang, dir: &Path) -> Result<Project, NewError> {
    if !is_name(name) {
        return Err(NewError::Name { name: name.to_owned() });
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| NewError::Write { path, cause }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    if std::fs::read_dir(dir).map_err(failed(dir))?.next().is_some() {
        return Err(NewError::Taken { dir: dir.to_owned() });
    }
    let mut files = Vec::new();
    for File { path, content } in templates::files(lang) {
        let at = dir.join(path);
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        std::fs::write(&at, fill(content, name)).map_err(failed(&at))?;
        files.push(path.to_owned());
    }
    files.sort();
    Ok(Project { dir: dir.to_owned(), files })
}

/// What cargo, npm and the catalogue all take for a name.
fn is_name(name: &str) -> bool {
    let octets = name.as_bytes();
    octets.len() <= NAME_BYTES_MAX
        && octets.first().is_some_and(u8::is_ascii_lowercase)
        && octets.last().is_some_and(u8::is_ascii_alphanumeric)
        && octets
            .iter()
            .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_'))
}

/// Puts the name where the template has a gap; what is no text has none.
fn fill(content: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(content) {
        Ok(text) => text.replace("{{name}}", name).replace("{{snake}}", &name.replace('-', "_")).into_bytes(),
        Err(_) => content.to_vec(),
    }
}
