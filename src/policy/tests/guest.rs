//! Guests written by the test: WebAssembly text with whatever behaviour a test needs, made into real components.
#![allow(clippy::format_push_string, clippy::format_collect)] // Readable; and no guest is built often.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where a function's body puts its answer.
pub const ANSWER: u32 = 1024;
/// Where the texts of [`Guest::text`] begin.
const TEXTS: u32 = 2048;
/// Where the bump allocator begins; it is reset after every call.
const HEAP: u32 = 8192;

const WIT: &str = include_str!("../../../wit/policy.wit");

/// A component to be.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Interface, function, parameters and body of each export.
    functions: Vec<(&'static str, &'static str, &'static str, String)>,
    imports_log: bool,
    start: Option<String>,
    pages: u32,
    texts: Vec<u8>,
    extra: String,
    wit: String,
    foreign: Option<(&'static str, &'static str, &'static str)>,
}

impl Guest {
    pub fn new() -> Self {
        Self {
            functions: Vec::new(),
            imports_log: false,
            start: None,
            pages: 2,
            texts: Vec::new(),
            extra: String::new(),
            wit: WIT.to_owned(),
            foreign: None,
        }
    }

    /// A text in the guest's memory, as `(pointer, length)`.
    pub fn text(&mut self, text: &[u8]) -> (u32, u32) {
        let at = TEXTS + u32::try_from(self.texts.len()).unwrap();
        self.texts.extend(text);
        assert!(TEXTS as usize + self.texts.len() <= HEAP as usize);
        (at, u32::try_from(text.len()).unwrap())
    }

    /// Exports the interface of a hook; the body leaves the address of the answer on the stack. All questions are
    /// larger than 16 flat values, so that they come as one pointer.
    pub fn judge(mut self, interface: &'static str, body: impl Into<String>) -> Self {
        self.functions.push((interface, "judge", "(param $question i32)", body.into()));
        self
    }

    /// Exports `settings`.
    pub fn settings(mut self, schema: impl Into<String>, configure: impl Into<String>) -> Self {
        self.functions.push(("settings", "schema", "", schema.into()));
        self.functions.push(("settings", "configure", "(param $json i32) (param $length i32)", configure.into()));
        self
    }

    /// Imports `host.log` as `$log`.
    pub fn importing_log(mut self) -> Self {
        self.imports_log = true;
        self
    }

    /// Runs this when an instance starts.
    pub fn starting(mut self, body: impl Into<String>) -> Self {
        self.start = Some(body.into());
        self
    }

    /// More functions of its own.
    pub fn with(mut self, functions: impl Into<String>) -> Self {
        self.extra = functions.into();
        self
    }

    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Built against another contract than ours.
    pub fn against(mut self, change: impl FnOnce(&str) -> String) -> Self {
        self.wit = change(&self.wit);
        self
    }

    /// Imports a function without parameters from elsewhere: package, interface, function.
    pub fn importing(mut self, package: &'static str, interface: &'static str, function: &'static str) -> Self {
        self.foreign = Some((package, interface, function));
        self
    }

    fn version(&self) -> &str {
        self.wit.split_once("package restante:policy@").unwrap().1.split_once(';').unwrap().0
    }

    fn interfaces(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.functions.iter().map(|(interface, ..)| *interface).collect();
        names.dedup();
        names
    }

    /// `package@version` split for naming an interface in it.
    fn foreign_name(&self) -> Option<(String, &'static str)> {
        let (package, interface, function) = self.foreign?;
        let name = match package.split_once('@') {
            Some((package, version)) => format!("{package}/{interface}@{version}"),
            None => format!("{package}/{interface}"),
        };
        Some((name, function))
    }

    /// The core module, in text.
    fn module(&self) -> String {
        let version = self.version();
        let mut wat = String::from("(module\n");
        if self.imports_log {
            wat += &format!(
                "(import \"restante:policy/host@{version}\" \"log\" (func $log (param i32) (param i32) (param i32)))\n"
            );
        }
        if let Some((name, function)) = self.foreign_name() {
            wat += &format!("(import \"{name}\" \"{function}\" (func $foreign))\n");
        }
        wat += &format!("(memory (export \"memory\") {})\n(global $heap (mut i32) (i32.const {HEAP}))\n", self.pages);
        wat += REALLOC;
        wat += &self.extra;
        for (interface, function, params, body) in &self.functions {
            let name = format!("restante:policy/{interface}@{version}#{function}");
            wat += &format!("(func (export \"{name}\") {params} (result i32)\n{body})\n");
            let reset = format!("(global.set $heap (i32.const {HEAP}))");
            wat += &format!("(func (export \"cabi_post_{name}\") (param i32) {reset})\n");
        }
        if let Some(start) = &self.start {
            wat += &format!("(func $start {start})\n(start $start)\n");
        }
        let texts: String = self.texts.iter().map(|byte| format!("\\{byte:02x}")).collect();
        wat + &format!("(data (i32.const {TEXTS}) \"{texts}\"))")
    }

    /// The core module, in binary.
    pub fn core(&self) -> Vec<u8> {
        wat::parse_str(self.module()).unwrap()
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        resolve.push_str("policy.wit", &self.wit).unwrap();
        let version = self.version();
        let mut world = String::from("package test:guest;\nworld guest {\n");
        if self.imports_log {
            world += &format!("import restante:policy/host@{version};\n");
        }
        if let Some((package, interface, function)) = self.foreign {
            resolve
                .push_str(
                    "foreign.wit",
                    &format!("package {package};\ninterface {interface} {{ {function}: func(); }}"),
                )
                .unwrap();
            world += &format!("import {};\n", self.foreign_name().unwrap().0);
        }
        for interface in self.interfaces() {
            world += &format!("export restante:policy/{interface}@{version};\n");
        }
        let package = resolve.push_str("guest.wit", &(world + "}\n")).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        let mut core = self.core();
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
    }
}

/// A bump allocator: aligned, growing, never freeing by itself.
const REALLOC: &str = "
(func (export \"cabi_realloc\") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
  (local $at i32)
  (global.set $heap (i32.and
    (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
    (i32.sub (i32.const 0) (local.get $align))))
  (local.set $at (global.get $heap))
  (global.set $heap (i32.add (global.get $heap) (local.get $new)))
  (loop $more
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
        (br $more))))
  (local.get $at))
";

/// Puts these words (octets' offset from [`ANSWER`], value) there, after clearing it, and answers.
pub fn answer(words: &[(u32, u32)]) -> String {
    let mut body = format!("(memory.fill (i32.const {ANSWER}) (i32.const 0) (i32.const 64))\n");
    for (offset, value) in words {
        body += &format!("(i32.store (i32.const {}) (i32.const {value}))\n", ANSWER + offset);
    }
    body + &format!("(i32.const {ANSWER})")
}

/// `handling`: manage. In its answers the verdict stands at 4.
pub fn manage() -> String {
    answer(&[(4, 1)])
}

/// `admission`: refuse. In its answers the verdict stands at 8, what belongs to it at 16.
pub fn refuse(status: u32, (reason, length): (u32, u32)) -> String {
    answer(&[(8, 1), (16, status), (20, reason), (24, length)])
}

/// `err` of `admission` with this text.
pub fn admission_error((text, length): (u32, u32)) -> String {
    answer(&[(0, 1), (8, text), (12, length)])
}
