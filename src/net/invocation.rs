//! How the program was started, so that an error can show the next command to type.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// The program's path and its arguments; shown as a line that a shell reads back as the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// As it was typed.
    pub program: PathBuf,
    /// Without the program.
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// How this process was started.
    pub fn of_this_process() -> Self {
        let mut words = std::env::args_os();
        let program = words.next().map_or_else(|| PathBuf::from("pxego"), PathBuf::from);
        Self { program, arguments: words.collect() }
    }

    /// The same command for interface `name`: put in place of the one that was given, or added in front.
    pub fn with_iface(&self, name: &str) -> Self {
        let mut arguments = Vec::with_capacity(self.arguments.len().saturating_add(2));
        let mut words = self.arguments.iter();
        let mut placed = false;
        while let Some(word) = words.next() {
            if word == "--" {
                arguments.push(word.clone());
                arguments.extend(words.by_ref().cloned());
            } else if word == "--iface" || word.as_encoded_bytes().starts_with(b"--iface=") {
                if word == "--iface" {
                    words.next();
                }
                if !placed {
                    arguments.extend([OsString::from("--iface"), OsString::from(name)]);
                    placed = true;
                }
            } else {
                arguments.push(word.clone());
            }
        }
        if !placed {
            arguments.splice(..0, [OsString::from("--iface"), OsString::from(name)]);
        }
        Self { program: self.program.clone(), arguments }
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(self.program.as_os_str()))?;
        for argument in &self.arguments {
            write!(f, " {}", quoted(argument))?;
        }
        Ok(())
    }
}

/// One word for a POSIX shell (XCU §2.2.2): plain where nothing in it is special, else in single quotes.
pub(super) fn quoted(word: &OsStr) -> Cow<'_, str> {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invocation(words: &[&str]) -> Invocation {
        Invocation { program: "./pxego".into(), arguments: words.iter().map(OsString::from).collect() }
    }

    #[test]
    fn the_interface_is_put_where_it_belongs() {
        for (given, expected) in [
            (&["--iso", "a.iso"][..], "./pxego --iface eth1 --iso a.iso"),
            (&["--iface", "eht0", "--iso", "a b.iso"], "./pxego --iface eth1 --iso 'a b.iso'"),
            (&["--iso", "it's.iso", "--iface=x"], r"./pxego --iso 'it'\''s.iso' --iface eth1"),
            (&["--iface"], "./pxego --iface eth1"),
            (&[], "./pxego --iface eth1"),
            (&["--iso", "", "--", "--iface=x"], "./pxego --iface eth1 --iso '' -- --iface=x"),
        ] {
            assert_eq!(invocation(given).with_iface("eth1").to_string(), expected, "{given:?}");
        }
    }

    #[test]
    fn a_shell_reads_the_same_words() {
        let words = ["$(reboot)", "a;b", "~", "*", "x\ny", "\"", "`", "!", "#c", "ü", "a&b"];
        let line = invocation(&words).to_string().replacen("./pxego", r"printf '%s\0'", 1);
        let read = std::process::Command::new("sh").args(["-c", &line]).output().unwrap().stdout;
        let read: Vec<_> = read.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w)).collect();
        assert_eq!(read[..words.len()], words);
    }
}
