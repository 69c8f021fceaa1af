//! `restante policy questions`: real questions, without the people, as cases for `restante policy test`.

use super::past::{self, Bar};
use crate::audit::questions::{Cases, questions};
use crate::cli::args::Questions;
use crate::cli::{CliError, out};
use crate::kit::case::{Case, FILE_BYTES_MAX, to_yaml};
use crate::queue::question::Hook;
use std::path::Path;

pub(super) fn run(arguments: &Questions) -> Result<(), CliError> {
    let opened = past::open(&arguments.past, Some(&arguments.from))?;
    let decisions = if arguments.decision.is_empty() { Hook::ALL.to_vec() } else { arguments.decision.clone() };
    let scope = past::scope(&arguments.past, decisions, arguments.message)?;
    let bar = Bar::new();
    let (cases, counts) =
        questions(&*opened.journal, &opened.config, &scope, arguments.limit, past::cores(), &|seen| bar.show(seen))?;
    drop(bar);
    past::check_realms(&opened, &scope.realms, &counts)?;
    match &arguments.out {
        Some(folder) => write(folder, &cases)?,
        None => print(&cases)?,
    }
    let written: usize = cases.values().map(Vec::len).sum();
    let count = counts.unreadable;
    out::message(format_args!("{written} questions of {} users", counts.replayed));
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

/// A file for each decision, several where one would be longer than a case file may be.
fn write(folder: &Path, cases: &Cases) -> Result<(), CliError> {
    std::fs::create_dir_all(folder).map_err(|cause| CliError::Write { file: folder.to_owned(), cause })?;
    for (decision, cases) in cases {
        let items = cases.iter().map(item).collect::<Result<Vec<_>, _>>()?;
        for (number, text) in split(&items).into_iter().enumerate() {
            let name = if number == 0 { format!("{decision}.yaml") } else { format!("{decision}-{}.yaml", number + 1) };
            let file = folder.join(name);
            std::fs::write(&file, text).map_err(|cause| CliError::Write { file: file.clone(), cause })?;
            out::result(file.display());
        }
    }
    Ok(())
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
