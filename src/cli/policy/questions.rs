//! `restante policy questions`: real questions, under other names, as cases for `restante policy test`.

use super::past::{self, Bar};
use crate::app::ReadCatalogue;
use crate::audit::questions::{Cases, Deciders, questions};
use crate::cli::args::Questions;
use crate::cli::{CliError, out};
use crate::kit::case::{Case, FILE_BYTES_MAX, to_yaml};
use crate::queue::question::Hook;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) fn run(arguments: &Questions) -> Result<(), CliError> {
    let opened = past::open(&arguments.past, Some(&arguments.from))?;
    let decisions = if arguments.decision.is_empty() { Hook::ALL.to_vec() } else { arguments.decision.clone() };
    let scope = past::scope(&arguments.past, decisions, arguments.message)?;
    let catalogue = ReadCatalogue(Arc::clone(&opened.journal));
    let mut deciders = Deciders::new(&catalogue, &opened.config.policy)?;
    let (bar, limit) = (Bar::new(), arguments.limit);
    let show = |seen| bar.show(seen);
    let (cases, counts) =
        questions(&*opened.journal, &opened.config, &scope, limit, &mut deciders, past::cores(), &show)?;
    drop(bar);
    past::check_realms(&opened, &scope.realms, &counts)?;
    match &arguments.out {
        Some(folder) => write(folder, &cases)?,
        None => print(&cases)?,
    }
    let written: Vec<&Case> = cases.values().flatten().collect();
    let users: BTreeSet<&str> = written.iter().filter_map(|case| case.question.user.as_deref()).collect();
    let (count, looked_at) = (counts.unreadable, counts.replayed);
    out::message(format_args!("{} questions about {} of {looked_at} users", written.len(), users.len()));
    if count > 0 {
        out::message(format_args!("{count} users were skipped: their logs cannot be read; see restante audit verify"));
    }
    Ok(())
}

/// One list of all.
fn print(cases: &Cases) -> Result<(), CliError> {
    for case in cases.values().flatten() {
        out::result(item(case)?.trim_end());
    }
    Ok(())
}

/// A file for each decision, several where one would be longer than a case file may be. Nothing that is there is touched:
/// these are the names that an author would choose, too.
fn write(folder: &Path, cases: &Cases) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(|cause| CliError::Write { file: folder.to_owned(), cause })?;
    let files = files(folder, cases)?;
    if let Some((file, _)) = files.iter().find(|(file, _)| file.exists()) {
        return Err(CliError::Exists { file: file.clone() });
    }
    for (file, text) in files {
        let written = File::create_new(&file).and_then(|mut open| open.write_all(text.as_bytes()));
        written.map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => CliError::Exists { file: file.clone() },
            _ => CliError::Write { file: file.clone(), cause },
        })?;
        out::result(file.display());
    }
    Ok(())
}

/// Names and texts.
fn files(folder: &Path, cases: &Cases) -> Result<Vec<(PathBuf, String)>, CliError> {
    let mut files = Vec::new();
    for (decision, cases) in cases {
        let items = cases.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        for (number, text) in split(&items).into_iter().enumerate() {
            let name = if number == 0 { format!("{decision}.yaml") } else { format!("{decision}-{}.yaml", number + 1) };
            files.push((folder.join(name), text));
        }
    }
    Ok(files)
}

fn split(items: &[String]) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for item in items {
        match files.last_mut() {
            Some(file) if (file.len() + item.len()) as u64 <= FILE_BYTES_MAX => file.push_str(item),
            _ => files.push(item.clone()),
        }
    }
    files
}

/// A case as an item of a list: the document of one, two columns further in.
fn item(case: &Case) -> Result<String, CliError> {
    let document = to_yaml(case)?;
    let line = |(number, line): (usize, &str)| match (number, line) {
        (0, line) => format!("- {line}\n"),
        (_, "") => "\n".to_owned(),
        (_, line) => format!("  {line}\n"),
    };
    Ok(document.lines().enumerate().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::case::{document_of, from_yaml, verdict_document};
    use crate::policy::samples;
    use crate::queue::standard;

    #[test]
    fn what_is_there_is_not_overwritten_and_nothing_is_written_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let mine = folder.path().join("expiry.yaml");
        std::fs::write(&mine, "mine").unwrap();
        let cases: Cases = [("admission", Vec::new()), ("delivery", vec![case()]), ("expiry", vec![case()])].into();
        let error = write(folder.path(), &cases).unwrap_err();
        assert!(error.to_string().contains("expiry.yaml") && error.to_string().contains("--out"), "{error}");
        assert_eq!(error.exit(), crate::cli::Exit::Usage);
        assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write(&folder.path().join("real"), &cases).unwrap();
        assert!(folder.path().join("real/expiry.yaml").exists());
    }

    fn case() -> Case {
        let (_, question) = samples::all().remove(0);
        Case { name: "one".to_owned(), settings: None, question: document_of(&question), expect: None }
    }

    #[test]
    fn what_is_written_is_read_again_as_it_was() {
        let cases: Vec<Case> = samples::all()
            .into_iter()
            .map(|(name, question)| Case {
                name: format!("{name}: a name\nof two lines"),
                settings: None,
                question: document_of(&question),
                expect: Some(verdict_document(&standard::answer(&question))),
            })
            .collect();
        let items: Vec<String> = cases.iter().map(|case| item(case).unwrap()).collect();
        assert_eq!(from_yaml(&items.concat()).unwrap(), cases);
        assert_eq!(split(&items), [items.concat()]);
        let many: Vec<String> = (0..9).map(|_| "x".repeat(1 << 20)).collect();
        assert_eq!(split(&many).iter().map(String::len).collect::<Vec<_>>(), [4 << 20, 4 << 20, 1 << 20]);
    }
}
