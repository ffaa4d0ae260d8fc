//! What is started, joined and ended, in order.

mod chronicle;
mod claim;
mod custody;
mod desk;
mod dhcp_loop;
mod given;
mod images;
mod inspect;
mod journal;
mod judge;
mod kickstarts;
mod knocks;
mod ks;
mod loops;
mod losses;
mod machine_file;
mod machines;
mod offer;
mod outlet;
mod output;
mod prepare;
mod repeats;
mod scribe;
mod serve;
mod solicited;
mod stuck;
mod sweep;
mod templates;
mod throttle;
mod verify;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use crate::cli::{self, Command, UsageError};
use crate::config::Config;
use crate::ui;

/// Exit code for a command line that cannot be understood.
const WRONG_USE: u8 = 2;
/// Exit code for images of which one is not as it should be.
const NOT_WELL: u8 = 1;
/// Exit code for a refusal to start.
const REFUSED: u8 = 3;

/// Why pxego does not start. The text names the cause and the next command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    text: String,
    code: u8,
}

impl Refusal {
    /// A refusal with this text, which begins with the cause and ends with what to do.
    pub fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: REFUSED }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same where the command line is at fault.
    pub fn wrong_use(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), code: WRONG_USE }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a run that was started ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By a signal: as it should.
    Asked,
    /// A part of it stopped working.
    Broken,
}

/// What is left to do when the command line was understood.
enum Next {
    /// To end with this exit code.
    End(u8),
    /// To write a kickstart, or check one.
    Ks(Box<cli::KsOptions>),
    /// To serve.
    Serve(Box<Config>),
}

/// The whole program: reads the arguments (the program's name left out), does what they ask, and says how it went.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = cli::parse(arguments).and_then(|command| match command {
        Command::Print(text) => {
            print(&text);
            Ok(Next::End(0))
        }
        Command::Version => {
            print(&ui::version::text());
            Ok(Next::End(0))
        }
        Command::Inspect(options) => Ok(Next::End(if inspect::run(&options) { 0 } else { NOT_WELL })),
        Command::Ks(options) => Ok(Next::Ks(options)),
        Command::Serve(options) => Config::from_options(&options).map(|config| Next::Serve(Box::new(config))),
    });
    match result {
        Ok(Next::End(code)) => ExitCode::from(code),
        Ok(Next::Ks(options)) => match ks::run(&options) {
            Ok(code) => code,
            Err(refusal) => {
                complain(&refusal.text);
                ExitCode::from(refusal.code)
            }
        },
        Ok(Next::Serve(config)) => match serve::run(&config) {
            Ok(Ended::Asked) => ExitCode::SUCCESS,
            Ok(Ended::Broken) => ExitCode::FAILURE,
            Err(refusal) => {
                complain(&refusal.text);
                ExitCode::from(refusal.code)
            }
        },
        Err(UsageError(text)) => {
            complain(&text);
            ExitCode::from(WRONG_USE)
        }
    }
}

/// To standard output; a reader that went away (`pxego --help | head`) is no error.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "pxego: {}", text.trim_end());
}
