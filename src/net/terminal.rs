//! A secret typed at the terminal, without showing it (termios(3)).
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsRawFd;

/// Asks on the terminal and reads a line that nobody sees.
///
/// # Errors
/// When there is no terminal, or nothing is typed.
pub fn secret(prompt: &str) -> io::Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let mut shown = &terminal;
    write!(shown, "{prompt}: ")?;
    shown.flush()?;
    let hidden = Hidden::hide(&terminal)?;
    let mut line = String::new();
    let read = BufReader::new(&terminal).read_line(&mut line);
    drop(hidden);
    writeln!(shown)?;
    read?;
    let line = line.trim_end_matches(['\n', '\r']);
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing was typed"));
    }
    Ok(line.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: libc::termios,
}

impl<'a> Hidden<'a> {
    fn hide(terminal: &'a File) -> io::Result<Self> {
        // SAFETY: all zeros are a `termios`; it is filled in before it is read.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the descriptor is open, and `before` is ours.
        if unsafe { libc::tcgetattr(terminal.as_raw_fd(), &raw mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut hidden = before;
        hidden.c_lflag &= !libc::ECHO;
        // SAFETY: as above; the settings come from the terminal itself.
        if unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, &raw const hidden) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // SAFETY: the descriptor is still open, and `before` is what the terminal had.
        unsafe { libc::tcsetattr(self.terminal.as_raw_fd(), libc::TCSAFLUSH, &raw const self.before) };
    }
}
