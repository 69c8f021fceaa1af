//! From octets to a component that may be bound: everything that is wrong with it, found in one go.

use super::seat::{Failed, Indices, Seat, State};
use super::{Engine, Permit};
use crate::policy::PolicyError;
use crate::policy::check::{Facts, Fault, Interface};
use crate::policy::schema::check_schema;
use crate::queue::question::{Hook, Question, Verdict};
use crate::types::Digest;
use std::time::Instant;
use wasmtime::component::InstancePre;
use wasmtime::component::types::{Component as ComponentType, ComponentItem};

/// Imports and exports that a component may have; the whole contract has eight interfaces.
const ITEMS_MAX: usize = 64;

/// Functions of a foreign interface that are named.
const FUNCTIONS_NAMED_MAX: usize = 8;

/// A component that was examined, compiled and linked. It has no instances: see [`super::Binding`].
pub struct Component {
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<State>,
    pub(super) indices: Indices,
    digest: Digest,
    schema: Option<String>,
}

impl Component {
    /// SHA-256 of its file: its name everywhere.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it exports the interface of this decision.
    pub const fn answers(&self, hook: Hook) -> bool {
        self.indices.has(hook)
    }

    /// The JSON Schema of its settings; `None` if it has no settings.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// A fresh instance, with its settings, for which nobody waits.
    ///
    /// # Errors
    /// [`Failed`]
    pub(in crate::policy) fn try_seat(&self, settings: &str) -> Result<Seat, Failed> {
        let permit = Permit::for_trial(&self.engine)?;
        let mut seat = Seat::open(&self.pre, self.engine.trial_limits(), self.engine.0.ticker.clock(), permit)?;
        if self.indices.has_settings() {
            seat.configure(&self.indices, settings)?;
        }
        Ok(seat)
    }

    /// Asks such an instance.
    ///
    /// # Errors
    /// [`Failed`]
    pub(in crate::policy) fn ask(&self, seat: &mut Seat, question: &Question) -> Result<Verdict, Failed> {
        seat.ask(&self.indices, question)
    }
}

/// What an examination found.
pub struct Examination {
    pub facts: Facts,
    pub faults: Vec<Fault>,
    /// Absent if any fault forbids its use.
    pub component: Option<Component>,
}

impl Engine {
    /// Examines and compiles a component.
    ///
    /// # Errors
    /// [`PolicyError::Unacceptable`] with everything that is wrong; [`PolicyError::Worker`].
    pub fn load(&self, bytes: &[u8]) -> Result<Component, PolicyError> {
        let found = self.examine(bytes)?;
        let digest = found.facts.digest;
        found.component.ok_or(PolicyError::Unacceptable { digest, faults: found.faults })
    }

    /// Examines a component: its form, its imports, its exports, its size, and one instance of it.
    ///
    /// # Errors
    /// [`PolicyError::Worker`]: it could not be compiled, for no fault of its own.
    pub(in crate::policy) fn examine(&self, bytes: &[u8]) -> Result<Examination, PolicyError> {
        let mut found = self.examine_form(bytes);
        if !found.faults.is_empty() {
            return Ok(found);
        }
        let start = Instant::now();
        match self.compile(bytes) {
            Ok(compiled) => {
                found.facts.compiled_in = start.elapsed();
                self.examine_compiled(&compiled, &mut found);
            }
            Err(error) if error.is_of_component() => found.faults.push(Fault::Compile { detail: error.to_string() }),
            Err(error) => return Err(PolicyError::Worker(error)),
        }
        Ok(found)
    }

    /// The same for a component that was compiled before.
    pub(super) fn examine_kept(&self, bytes: &[u8], compiled: &wasmtime::component::Component) -> Examination {
        let mut found = self.examine_form(bytes);
        if found.faults.is_empty() {
            self.examine_compiled(compiled, &mut found);
        }
        found
    }

    fn examine_form(&self, bytes: &[u8]) -> Examination {
        let facts = Facts { digest: Digest::of(bytes), bytes: bytes.len(), ..Facts::default() };
        Examination { facts, faults: form(bytes, self.0.limits.component_bytes_max), component: None }
    }

    fn examine_compiled(&self, compiled: &wasmtime::component::Component, found: &mut Examination) {
        let ty = compiled.component_type();
        let (imports_found, exports_found) = (ty.imports(&self.0.engine).len(), ty.exports(&self.0.engine).len());
        if imports_found.max(exports_found) > ITEMS_MAX {
            found.faults.push(Fault::TooMany { imports: imports_found, exports: exports_found, each_max: ITEMS_MAX });
            return;
        }
        if let Some(pages) = compiled.resources_required().and_then(|resources| resources.max_initial_memory_size) {
            found.facts.initial_memory_bytes = Some(pages.saturating_mul(super::PAGE as u64));
        }
        found.faults.extend(imports(&ty, &self.0.engine));
        found.facts.interfaces = exported(&ty, &self.0.engine);
        found.faults.extend(versions(&found.facts.interfaces));
        if found.faults.iter().any(Fault::forbids) {
            return;
        }
        match self.0.linker.instantiate_pre(compiled) {
            Ok(pre) => self.examine_linked(pre, found),
            Err(error) => found.faults.push(Fault::Link { detail: chain(&error) }),
        }
    }

    fn examine_linked(&self, pre: InstancePre<State>, found: &mut Examination) {
        let indices = Indices::of(&pre);
        found.faults.extend(incomplete(&found.facts.interfaces, &indices));
        let start = Instant::now();
        let opened = Permit::for_trial(self)
            .and_then(|permit| Seat::open(&pre, self.trial_limits(), self.0.ticker.clock(), permit));
        let mut seat = match opened {
            Ok(seat) => seat,
            Err(failed) => return found.faults.push(Fault::Start { failure: failed.failure, detail: failed.detail }),
        };
        found.facts.instantiated_in = start.elapsed();
        for hook in Hook::ALL.into_iter().filter(|hook| indices.has(*hook)) {
            if let Err(failed) = seat.check_shape(&indices, hook) {
                found.faults.push(Fault::Shape { interface: hook.name(), detail: failed.detail });
            }
        }
        found.facts.schema = examine_settings(&mut seat, &indices, &mut found.faults);
        found.facts.hooks = Hook::ALL.into_iter().filter(|hook| indices.has(*hook)).collect();
        if found.faults.iter().any(Fault::forbids) {
            return;
        }
        let (digest, schema) = (found.facts.digest, found.facts.schema.clone());
        found.component = Some(Component { engine: self.clone(), pre, indices, digest, schema });
    }
}

/// The schema, if all is well with it.
fn examine_settings(seat: &mut Seat, indices: &Indices, faults: &mut Vec<Fault>) -> Option<String> {
    if !indices.has_settings() {
        return None;
    }
    if let Err(failed) = seat.check_settings_shape(indices) {
        faults.push(Fault::Shape { interface: "settings", detail: failed.detail });
        return None;
    }
    match seat.schema(indices) {
        Ok(schema) => match check_schema(&schema) {
            Ok(()) => Some(schema),
            Err(error) => {
                faults.push(Fault::Schema { detail: error.to_string() });
                None
            }
        },
        Err(failed) => {
            faults.push(Fault::SchemaFailed { failure: failed.failure, detail: failed.detail });
            None
        }
    }
}

/// What the first octets say, before anything is decoded.
fn form(bytes: &[u8], bytes_max: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    if bytes.len() > bytes_max {
        faults.push(Fault::TooLarge { bytes: bytes.len(), bytes_max });
    }
    match bytes {
        [] => faults.push(Fault::Empty),
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => {}
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => faults.push(Fault::CoreModule),
        _ if wasmtime::Engine::detect_precompiled(bytes).is_some() => faults.push(Fault::Precompiled),
        _ if bytes.trim_ascii_start().starts_with(b"(") || bytes.trim_ascii_start().starts_with(b";;") => {
            faults.push(Fault::Text);
        }
        _ => faults.push(Fault::NotWasm),
    }
    faults
}

/// Every import that carries more than types and is not ours.
fn imports(ty: &ComponentType, engine: &wasmtime::Engine) -> Vec<Fault> {
    ty.imports(engine)
        .filter_map(|(name, import)| {
            let functions = match &import.ty {
                ComponentItem::Type(_) => Vec::new(),
                ComponentItem::ComponentInstance(instance) => instance
                    .exports(engine)
                    .filter(|(_, export)| !matches!(export.ty, ComponentItem::Type(_)))
                    .map(|(function, _)| function.to_owned())
                    .collect(),
                _ => vec![name.to_owned()],
            };
            let ours = Interface::parse(name).is_some_and(|it| it.name == "host" && it.is_spoken());
            let foreign = functions.into_iter().filter(|function| !(ours && function == "log"));
            let foreign: Vec<String> = foreign.take(FUNCTIONS_NAMED_MAX).collect();
            (!foreign.is_empty()).then(|| Fault::Import { name: name.to_owned(), functions: foreign })
        })
        .collect()
}

/// The interfaces of our package that it exports, in whatever version.
fn exported(ty: &ComponentType, engine: &wasmtime::Engine) -> Vec<Interface> {
    ty.exports(engine)
        .filter(|(_, export)| matches!(export.ty, ComponentItem::ComponentInstance(_)))
        .filter_map(|(name, _)| Interface::parse(name))
        .collect()
}

fn versions(interfaces: &[Interface]) -> Vec<Fault> {
    let mut faults: Vec<Fault> = interfaces
        .iter()
        .filter_map(|it| match (it.is_known(), it.is_spoken()) {
            (true, true) => None,
            (true, false) => Some(Fault::Version { interface: it.clone() }),
            (false, _) => Some(Fault::Unknown { interface: it.clone() }),
        })
        .collect();
    let decides = |it: &&Interface| it.is_spoken() && Hook::ALL.iter().any(|hook| hook.name() == it.name);
    // A wrong version was said already.
    if interfaces.iter().find(decides).is_none() && !faults.iter().any(Fault::forbids) {
        faults.push(Fault::NoInterface);
    }
    faults
}

/// Interfaces that are exported but lack a function of ours.
fn incomplete(interfaces: &[Interface], indices: &Indices) -> Vec<Fault> {
    let present = |name: &str| match Hook::ALL.into_iter().find(|hook| hook.name() == name) {
        Some(hook) => indices.has(hook),
        None => indices.has_settings(),
    };
    interfaces
        .iter()
        .filter(|it| it.is_known() && !present(&it.name))
        .map(|it| Fault::Incomplete { interface: it.clone() })
        .collect()
}

/// An error with all its causes, in one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    let mut words: Vec<String> = error.chain().map(ToString::to_string).collect();
    words.dedup();
    words.join(": ").replace('\n', " ")
}
