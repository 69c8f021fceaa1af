//! An operator at the command line: `restante policy …` against a running server.

use crate::server::{Server, run, said};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Output;

/// Who gives orders: the server they go to, and a directory for what is uploaded.
pub struct Operator {
    server: String,
    home: tempfile::TempDir,
    token: Option<String>,
}

impl Operator {
    pub fn of(server: &Server) -> Self {
        Self { server: format!("http://{}", server.admin()), home: tempfile::tempdir().unwrap(), token: None }
    }

    /// From now on with this bearer token.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        let file = self.home.path().join("token");
        std::fs::write(&file, token).unwrap();
        self.token = Some(file.to_str().unwrap().to_owned());
        self
    }

    /// A file with this content.
    pub fn file(&self, name: &str, content: &[u8]) -> String {
        let path: PathBuf = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `restante policy` with these words.
    pub fn tries(&self, words: &[&str]) -> Output {
        let mut arguments = vec!["policy"];
        arguments.extend(words);
        arguments.extend(["--server", &self.server]);
        if let Some(token) = &self.token {
            arguments.extend(["--token-file", token]);
        }
        run(&arguments)
    }

    /// The same, and it is done; what is printed.
    #[track_caller]
    pub fn does(&self, words: &[&str]) -> String {
        let output = self.tries(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as JSON.
    #[track_caller]
    pub fn tells(&self, words: &[&str]) -> Value {
        let text = self.does(&[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error} in {text}"))
    }

    /// The same, and it is refused; what is said.
    #[track_caller]
    pub fn is_refused(&self, words: &[&str]) -> String {
        let output = self.tries(words);
        assert!(!output.status.success(), "{words:?}: {}", said(&output));
        let told = said(&output);
        assert!(!told.contains("panicked"), "{told}");
        told
    }

    /// Uploads a component; its digest.
    #[track_caller]
    pub fn uploads(&self, name: &str, component: &[u8]) -> String {
        let file = self.file(&format!("{name}.wasm"), component);
        let uploaded = self.tells(&["upload", &file, "--name", name, "--reason", "a test"]);
        uploaded["digest"].as_str().unwrap().to_owned()
    }

    /// What decides in the tests' realm.
    #[track_caller]
    pub fn active(&self, decision: &str) -> Value {
        self.decision(decision)["active"].clone()
    }

    /// All that is said of a decision in the tests' realm.
    #[track_caller]
    pub fn decision(&self, decision: &str) -> Value {
        let realm = self.tells(&["realm", crate::wire::REALM]);
        let decisions = realm["decisions"].as_array().unwrap();
        decisions
            .iter()
            .find(|it| it["decision"] == decision)
            .unwrap_or_else(|| panic!("{decision} in {realm}"))
            .clone()
    }

    /// The kinds of events in the operator stream, in order, with their authors.
    #[track_caller]
    pub fn stream(&self) -> Vec<(String, String)> {
        let told = self.tells(&["events"]);
        let entries = told["entries"].as_array().or_else(|| told.as_array()).unwrap_or_else(|| panic!("{told}"));
        let of = |entry: &Value| {
            let author = entry["author"].as_str().unwrap().to_owned();
            let events = entry["events"].as_array().unwrap().clone();
            events.into_iter().map(move |event| (event["event"].as_str().unwrap().to_owned(), author.clone()))
        };
        entries.iter().flat_map(of).collect()
    }
}
