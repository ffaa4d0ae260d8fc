//! Events to standard output, diagnostics to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::Receiver;

use log::LevelFilter;
use simplelog::{ColorChoice, ConfigBuilder, TermLogger, TerminalMode};
use time::UtcOffset;

use crate::config::LogForm;
use crate::event::Event;
use crate::ui::line;

/// Starts the diagnostics: warnings, with `-v` every request, with `-vv` every packet.
pub(super) fn start_diagnostics(verbosity: u8) {
    let level = match verbosity {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    let config =
        ConfigBuilder::new().set_target_level(LevelFilter::Off).set_thread_level(LevelFilter::Off).build();
    // simplelog colours pipes as well when it is left to choose.
    let colour = if io::stderr().is_terminal() { ColorChoice::Auto } else { ColorChoice::Never };
    // Only fails when there is a logger already, as in tests that start twice.
    let _ = TermLogger::init(level, config, TerminalMode::Stderr, colour);
}

/// Writes events until nobody can send any more. A reader that went away ends the writing, not the serving.
pub(super) fn write_events(events: &Receiver<Event>, form: LogForm, offset: UtcOffset) {
    let mut output = io::stdout().lock();
    let mut is_read = true;
    for event in events {
        let text = match form {
            LogForm::Text => line::for_people(&event, offset),
            LogForm::Json => line::for_programs(&event),
        };
        if is_read {
            is_read = writeln!(output, "{text}").and_then(|()| output.flush()).is_ok();
        }
    }
}
