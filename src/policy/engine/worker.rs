//! Compiling in a process of its own: a component made to exhaust the compiler exhausts that process, not the service.

use super::examine::chain;
use super::native::{self, Trusted};
use super::{Engine, engine_config};
use crate::config;
use crate::policy::{Counters, PolicyError};
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use wasmtime::InstanceAllocationStrategy;
use wasmtime::component::Component;

/// What the process may use.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Octets. The allocator reserves a good part of it without ever using it.
    address_space: u64,
    /// Seconds of a processor.
    processor: u64,
}

/// What it may use in the service.
const ADDRESS_SPACE_MIB: u64 = 4 << 10;

/// Most code that is taken from the process, octets: a component of 24 MiB with an interpreter in it makes 40 MiB.
const CODE_BYTES_MAX: u64 = 256 << 20;
/// Most of its complaint that is read, octets.
const COMPLAINT_BYTES_MAX: u64 = 4 << 10;
/// What is added to its niceness.
const NICENESS: i32 = 10;

/// A program that runs [`compile_worker`] with the same limits.
#[derive(Clone, Debug)]
pub struct Worker {
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The component is to blame, in the compiler's words.
    #[error("{why}")]
    Component { why: String },
    /// It would have taken more than it may, or the compiler broke on it.
    #[error(
        "compiling it fails, or takes more than {ADDRESS_SPACE_MIB} MiB or policy.compile-secs-max of a processor ({0})"
    )]
    Exhausted(ExitStatus),
    /// The process itself failed.
    #[error("the process that compiles cannot be used: {0}")]
    Process(#[from] io::Error),
}

/// Exit code of the process if the component is to blame.
const UNACCEPTABLE: u8 = 65;

/// Exit codes of a process that did not come to compile: [`FAILED`], and those of a shell that cannot run a program.
const NOT_OURS: [i32; 3] = [FAILED as i32, 126, 127];

/// Exit code of the process if it is to blame itself.
const FAILED: u8 = 71;

/// Code that our own process of compilation has handed us.
pub(super) struct Compiled(Vec<u8>);

impl Compiled {
    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Worker {
    /// This very program, even if its file was replaced meanwhile: `restante policy compile-worker`, with these limits.
    pub fn this_program(limits: &config::Policy) -> Self {
        let (memory, stack) = (limits.memory_bytes_max.to_string(), limits.stack_bytes_max.to_string());
        let seconds = limits.compile_secs_max.to_string();
        let limits = ["--memory-bytes-max", &memory, "--stack-bytes-max", &stack, "--compile-secs-max", &seconds];
        let arguments = ["policy", "compile-worker"].into_iter().chain(limits);
        Self::new(this_program(), arguments.map(OsString::from))
    }

    /// Private: what this program writes is run.
    fn new(program: PathBuf, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { program, arguments: arguments.into_iter().collect() }
    }

    /// Has the component compiled.
    ///
    /// # Errors
    /// [`WorkerError`]
    pub(super) fn compile(&self, component: &[u8]) -> Result<Compiled, WorkerError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output, complaint) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (code, complaint) = thread::scope(|scope| {
            // All three at once: none of them can be full while another waits. A process that is gone takes nothing more.
            scope.spawn(move || input.map(|mut input| input.write_all(component)));
            let complaint = scope.spawn(move || read(complaint, COMPLAINT_BYTES_MAX));
            let code = read(output, CODE_BYTES_MAX);
            (code, complaint.join().unwrap_or_default())
        });
        let status = child.wait()?;
        match status.code() {
            _ if code.len() as u64 >= CODE_BYTES_MAX => Err(WorkerError::Exhausted(status)),
            Some(0) => Ok(Compiled(code)),
            Some(code) if code == i32::from(UNACCEPTABLE) => {
                Err(WorkerError::Component { why: String::from_utf8_lossy(&complaint).trim().to_owned() })
            }
            Some(code) if NOT_OURS.contains(&code) => Err(WorkerError::Process(io::Error::other(status.to_string()))),
            _ => Err(WorkerError::Exhausted(status)),
        }
    }
}

fn this_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        return PathBuf::from("/proc/self/exe");
    }
    // An empty path cannot be run, and that is said when it is tried.
    std::env::current_exe().unwrap_or_default()
}

/// Everything there is to read; what is beyond the limit is left, and its writer fails.
fn read(from: Option<impl Read>, bytes_max: u64) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Some(from) = from {
        // Half of it is no code: the exit status says so, or the engine does when it looks at it.
        let _ = from.take(bytes_max).read_to_end(&mut octets);
    }
    octets
}

/// The whole of `restante policy compile-worker`: limits this process, reads a component from standard input, writes its
/// code to standard output. Everything else of `limits` than memory, stack and `compile_secs_max` is without effect.
pub fn compile_worker(limits: &config::Policy) -> ExitCode {
    let bounds = Bounds { address_space: ADDRESS_SPACE_MIB << 20, processor: limits.compile_secs_max };
    match serve(bounds, limits, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails, too.
            let _ = writeln!(io::stderr(), "{error}");
            let component = matches!(error, WorkerError::Component { .. });
            ExitCode::from(if component { UNACCEPTABLE } else { FAILED })
        }
    }
}

/// # Errors
/// [`WorkerError`]
fn serve(
    bounds: Bounds,
    limits: &config::Policy,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), WorkerError> {
    limit_this_process(bounds)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let code = compile_here(limits, &component).map_err(|why| WorkerError::Component { why })?;
    output.write_all(&code)?;
    output.flush()?;
    Ok(())
}

fn compile_here(limits: &config::Policy, component: &[u8]) -> Result<Vec<u8>, String> {
    // The compiler's settings are those of the service; nothing runs here, so that room for instances is not needed.
    let mut config = engine_config(limits);
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand).parallel_compilation(false);
    let engine = wasmtime::Engine::new(&config).map_err(|error| chain(&error))?;
    engine.precompile_component(component).map_err(|error| chain(&error))
}

fn limit_this_process(bounds: Bounds) -> io::Result<()> {
    setpriority_process(None, NICENESS)?;
    let limits = [(Resource::As, bounds.address_space), (Resource::Cpu, bounds.processor), (Resource::Core, 0)];
    for (resource, max) in limits {
        setrlimit(resource, Rlimit { current: Some(max), maximum: Some(max) })?;
    }
    // Where the memory of the machine ends before our limit does, this process is the one to go.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

impl Engine {
    /// An engine that compiles in processes of its own, and itself only where no such process can be started.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_worker(
        limits: &config::Policy,
        counters: Arc<dyn Counters>,
        worker: Worker,
    ) -> Result<Self, PolicyError> {
        Self::of(&engine_config(limits), limits, counters, Some(worker))
    }

    /// Compiles, quietly, and as far from the service as can be had. The error is in words.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Component, String> {
        self.quietly(|| match self.compile_elsewhere(bytes) {
            Some(compiled) => compiled,
            // Nothing of what a panic leaves half done is used again.
            None => catch_unwind(AssertUnwindSafe(|| Component::from_binary(&self.0.engine, bytes)))
                .map_err(|_| "the compiler broke on it".to_owned())?
                .map_err(|error| chain(&error)),
        })
    }

    /// `None` if there is no process to do it.
    fn compile_elsewhere(&self, bytes: &[u8]) -> Option<Result<Component, String>> {
        match self.0.worker.as_ref()?.compile(bytes) {
            Ok(code) => {
                let component = native::load(&self.0.engine, &Trusted::Compiled(&code));
                Some(component.map_err(|error| chain(&error)))
            }
            Err(WorkerError::Process(error)) => {
                tracing::warn!(target: "policy", %error, "no process can be had to compile in; this one compiles");
                None
            }
            Err(error) => Some(Err(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests;
