//! The command line: restante serve | check | demo | policy | token | audit.

pub mod args;
mod audit;
mod check;
mod demo;
mod exit;
mod load;
pub mod out;
mod policy;
mod serve;
mod tables;
mod token;
mod told;

pub use exit::{CliError, Exit};
pub use load::load;
pub use policy::ApiError;

use args::{Args, Command};
use clap::Parser as _;
use std::process::ExitCode;

/// Parses the arguments, does what they say, and tells how it went: results on stdout, all else on stderr.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    if let Command::Policy(args::Policy::CompileWorker { memory_bytes_max, stack_bytes_max, compile_secs_max }) =
        args.command
    {
        return policy::compile_worker(memory_bytes_max, stack_bytes_max, compile_secs_max);
    }
    let exit = match run(args) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            out::message(format_args!("restante: {error}"));
            error.exit()
        }
    };
    whole(exit, out::lost()).into()
}

/// The exit code, unless the result got lost on its way: then nothing is well.
fn whole(exit: Exit, lost: Option<&std::io::Error>) -> Exit {
    let Some(cause) = lost else { return exit };
    out::message(format_args!(
        "restante: the result could not be written to standard output: {cause}; what is there is not all of it"
    ));
    if exit == Exit::Ok { Exit::Io } else { exit }
}

fn run(args: Args) -> Result<(), CliError> {
    match args.command {
        Command::Serve(setup) => serve::run(&load(setup.config.as_deref(), &setup.overrides())?),
        Command::Check(setup) => check::run(&setup),
        Command::Demo { manage, large } => demo::run(manage, large),
        Command::Policy(command) => policy::run(&command),
        Command::Token(args::Token::New { name, role, json }) => token::new(&name, &role, json),
        Command::Audit(args::Audit::Operators(arguments)) => audit::operators(&arguments),
        Command::Audit(args::Audit::Timeline(timeline)) => audit::timeline(&timeline),
        Command::Audit(args::Audit::Verify { data }) => audit::verify(&data),
    }
}

/// What clap has to say: help and version are results, the rest is a usage error.
fn usage(error: &clap::Error) -> ExitCode {
    let failed = out::failure(error.print());
    if error.use_stderr() {
        // If stderr is gone there is nobody to tell.
        return Exit::Usage.into();
    }
    whole(Exit::Ok, failed.as_ref()).into()
}
