//! `restante policy new`: writes a project that builds as it is, with its language's tools and nothing of this repository.

mod templates;
#[cfg(test)]
mod tests;

use crate::policy::keeper as catalogue;
use crate::policy::policies::PoliciesError;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use templates::File;

/// Longest name of a project, octets: what the catalogue takes.
pub const NAME_BYTES_MAX: usize = crate::policy::policies::NAME_BYTES_MAX;

/// Names that a policy in Rust cannot have: keywords, and crates that it is made with.
const RUST: &str = "\
    abstract alloc as async await become box break cfg-if const continue core crate dlmalloc do dyn else enum \
    extern false final fn for gen if impl in let libc loop macro match mod move mut override priv proc_macro pub \
    ref restante-policy restante_policy return self static std struct super test trait true try type typeof \
    unsafe unsized use virtual where while windows-link windows-sys wit-bindgen yield";

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
    #[error("'{name}' is no name of a policy: {why}; choose another name")]
    Reserved { name: String, why: &'static str },
    #[error("{} is there already and not empty: name another directory with --dir", dir.display())]
    Taken { dir: PathBuf },
    #[error("{} cannot be written: {cause}. Check the permissions and the room on the disk", path.display())]
    Write { path: PathBuf, cause: std::io::Error },
}

/// Writes the project of a policy of this name into a directory, which is made if it is not there. It is there whole or not
/// at all: it is written beside the directory, and takes its place then.
///
/// # Errors
/// [`NewError`]; what was there is never touched.
pub fn new(name: &str, lang: Lang, dir: &Path) -> Result<Project, NewError> {
    check_name(name, lang)?;
    let is_taken = match std::fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(cause) => match cause.kind() {
            ErrorKind::NotFound => false,
            ErrorKind::NotADirectory => true,
            _ => return Err(failed(dir)(cause)),
        },
    };
    if is_taken {
        return Err(NewError::Taken { dir: dir.to_owned() });
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed(parent))?;
    let beside = parent.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write(name, lang, &beside).and_then(|files| {
        take_place(&beside, dir).map_err(failed(dir))?;
        Ok(Project { dir: dir.to_owned(), files })
    });
    if written.is_err() {
        // What is left of it is in nobody's way.
        drop(std::fs::remove_dir_all(&beside));
    }
    written
}

/// Paths inside of the project, in order.
fn write(name: &str, lang: Lang, dir: &Path) -> Result<Vec<String>, NewError> {
    let mut files = Vec::new();
    std::fs::create_dir(dir).map_err(failed(dir))?;
    for File { path, content } in templates::files(lang) {
        let at = dir.join(path);
        if let Some(parent) = at.parent() {
            std::fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        std::fs::write(&at, fill(content, name)).map_err(failed(&at))?;
        files.push(path.to_owned());
    }
    files.sort();
    Ok(files)
}

/// An empty directory gives way where the system lets it; one that is not does not.
fn take_place(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::rename(from, to).or_else(|_| {
        // `.` cannot be renamed away: what was written moves into it.
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            std::fs::rename(entry.path(), to.join(entry.file_name()))?;
        }
        std::fs::remove_dir(from)
    })
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> NewError + use<> {
    let path = path.to_owned();
    move |cause| NewError::Write { path, cause }
}

/// Whether cargo, npm and the catalogue all take the name.
fn check_name(name: &str, lang: Lang) -> Result<(), NewError> {
    if !is_name(name) {
        return Err(NewError::Name { name: name.to_owned() });
    }
    let reserved = |why| Err(NewError::Reserved { name: name.to_owned(), why });
    if lang == Lang::Rust && RUST.split(' ').any(|word| word == name) {
        return reserved("it means something else in Rust");
    }
    match catalogue::check_name(name) {
        Err(PoliciesError::Text { why, .. }) => reserved(why),
        _ => Ok(()),
    }
}

/// The letters of a name.
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
