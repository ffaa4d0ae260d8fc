//! A user's script that switches the machine off or starts it again: what the installer has yet to do is lost, and the hook
//! that says how it went (`answer/hooks.rs`) is the last of it.
//!
//! Only as much of a shell's language is read as tells commands from their arguments (POSIX, Shell Command Language, §2.2,
//! §2.7.4, §2.10): quotes, comments, here-documents, and what separates commands. What is taken wrongly costs a piece of
//! advice.

use std::collections::VecDeque;

/// Most here-documents of one line that are kept apart.
const MAX_DOCUMENTS: usize = 16;

/// Words behind which a command begins, or goes on beginning.
const BEFORE_COMMANDS: [&str; 14] = [
    "if", "then", "else", "elif", "do", "while", "until", "!", "{", "exec", "sudo", "nohup", "time",
    "command",
];

/// A command that ends the installer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Restart {
    /// Where it begins, in characters from 1.
    pub(super) column: usize,
    /// The kickstart's own command for the same.
    pub(super) command: &'static str,
}

/// Reads the lines of one script in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    /// The quote that is open.
    quote: Option<char>,
    /// Ends of the here-documents that follow, and whether tabs before them count.
    documents: VecDeque<(String, bool)>,
    /// The command that is being read.
    command: Command,
    /// How many `(` are open.
    depth: usize,
}

/// A simple command up to where it was read.
#[derive(Clone, Debug, Default)]
struct Command {
    /// What its first word is, as far as it matters, and where that stands.
    program: Option<(Program, usize)>,
    /// Its arguments tell that it ends nothing.
    is_harmless: bool,
    /// It was told already that it ends the installer.
    is_told: bool,
}

/// A program as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    /// It ends the installer whatever follows.
    Ends(&'static str),
    /// `shutdown`: restarts with `-r`, does nothing with `-c`.
    Shutdown,
    /// `systemctl`: the first word that is no option counts.
    Systemctl,
    /// `init` and `telinit`: the run level counts.
    Init,
    /// `kexec`: it starts another kernel with `-e`.
    Kexec,
    /// Any other.
    Other,
}

/// What a command does to the installer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// It ends it; holds the kickstart's own command for the same.
    End(&'static str),
    /// Nothing.
    Nothing,
}

impl Program {
    fn of(word: &str) -> Self {
        match word.rsplit('/').next().unwrap_or(word) {
            "reboot" => Self::Ends("reboot"),
            "poweroff" => Self::Ends("poweroff"),
            "halt" => Self::Ends("halt"),
            "shutdown" => Self::Shutdown,
            "systemctl" => Self::Systemctl,
            "init" | "telinit" => Self::Init,
            "kexec" => Self::Kexec,
            _ => Self::Other,
        }
    }

    /// What an argument makes of it; nothing when that is still open.
    fn with(self, argument: &str) -> Option<Means> {
        match (self, argument) {
            (Self::Shutdown, "-c") => Some(Means::Nothing),
            (Self::Shutdown, "-r" | "--reboot") => Some(Means::End("reboot")),
            (Self::Shutdown, "-H" | "--halt") => Some(Means::End("halt")),
            (Self::Systemctl, "reboot" | "kexec" | "soft-reboot") => Some(Means::End("reboot")),
            (Self::Systemctl, "poweroff") => Some(Means::End("poweroff")),
            (Self::Systemctl, "halt") => Some(Means::End("halt")),
            (Self::Systemctl, option) if option.starts_with('-') => None,
            (Self::Init, "6") => Some(Means::End("reboot")),
            (Self::Init, "0") => Some(Means::End("poweroff")),
            (Self::Kexec, "-e" | "--exec") => Some(Means::End("reboot")),
            (Self::Systemctl | Self::Init, _) => Some(Means::Nothing),
            _ => None,
        }
    }

    /// What it is when nothing more follows.
    fn alone(self) -> Option<&'static str> {
        match self {
            Self::Ends(command) => Some(command),
            // It switches off where nothing else is said, after a minute.
            Self::Shutdown => Some("poweroff"),
            Self::Systemctl | Self::Init | Self::Kexec | Self::Other => None,
        }
    }
}

impl Scanner {
    /// The first command of `line` that ends the installer.
    pub(super) fn line(&mut self, line: &str) -> Option<Restart> {
        if let Some((end, strips_tabs)) = self.documents.front() {
            let line = if *strips_tabs { line.trim_start_matches('\t') } else { line };
            if line == end {
                self.documents.pop_front();
            }
            return None;
        }
        let mut found = None;
        let mut word = Word::default();
        let mut letters = (1_usize..).zip(line.chars()).peekable();
        while let Some((column, letter)) = letters.next() {
            match (self.quote, letter) {
                (Some(open), _) if letter == open => self.quote = None,
                (Some('"') | None, '\\') => match letters.next() {
                    Some((_, next)) => word.push(next, column),
                    // The command goes on in the next line.
                    None => {
                        self.word(&mut word, None, &mut found);
                        return found;
                    }
                },
                (Some(_), _) => word.push(letter, column),
                (None, '\'' | '"') => {
                    self.quote = Some(letter);
                    word.open(column);
                }
                (None, '#') if word.is_empty() => break,
                (None, ' ' | '\t' | '\r') => self.word(&mut word, None, &mut found),
                (None, '<') if letters.next_if(|(_, next)| *next == '<').is_some() => {
                    self.word(&mut word, None, &mut found);
                    let rest: String = letters.clone().map(|(_, letter)| letter).collect();
                    self.document(&rest);
                }
                (None, '<' | '>') => self.word(&mut word, None, &mut found),
                (None, ';' | '&' | '|' | '(' | ')' | '`') => self.word(&mut word, Some(letter), &mut found),
                (None, _) => word.push(letter, column),
            }
        }
        if self.quote.is_none() {
            self.word(&mut word, Some('\n'), &mut found);
        }
        found
    }

    /// A word has ended, and with `separator` the command too.
    fn word(&mut self, word: &mut Word, separator: Option<char>, found: &mut Option<Restart>) {
        let Word { text, column } = std::mem::take(word);
        let mut tell = |command: &mut Command, what: Option<&'static str>, column: usize| {
            if let Some(what) = what.filter(|_| !command.is_told) {
                command.is_told = true;
                found.get_or_insert(Restart { column, command: what });
            }
        };
        if column > 0 {
            match self.command.program {
                _ if text == "/proc/sysrq-trigger" => tell(&mut self.command, Some("reboot"), column),
                None if BEFORE_COMMANDS.contains(&text.as_str()) || is_assignment(&text) => {}
                None => {
                    let program = Program::of(&text);
                    // `reboot() { … }` and `reboot)` are a function and a case.
                    let is_name = separator == Some('(') || separator == Some(')') && self.depth == 0;
                    self.command.program = Some((if is_name { Program::Other } else { program }, column));
                }
                Some((program, at)) if !self.command.is_harmless => match program.with(&text) {
                    Some(Means::End(what)) => tell(&mut self.command, Some(what), at),
                    Some(Means::Nothing) => self.command.is_harmless = true,
                    None => {}
                },
                Some(_) => {}
            }
        }
        match separator {
            Some('(') => self.depth = self.depth.saturating_add(1),
            Some(')') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if separator.is_some() {
            let mut command = std::mem::take(&mut self.command);
            if let Some((program, at)) = command.program.filter(|_| !command.is_harmless) {
                tell(&mut command, program.alone(), at);
            }
        }
    }

    /// A here-document is announced; `rest` is what follows `<<`.
    fn document(&mut self, rest: &str) {
        // `<<<` is a text, not a document.
        if rest.starts_with('<') || self.documents.len() >= MAX_DOCUMENTS {
            return;
        }
        let strips_tabs = rest.starts_with('-');
        let rest = rest.trim_start_matches('-').trim_start();
        let end = rest.find([' ', '\t', ';', '&', '|', ')', '>', '<']).unwrap_or(rest.len());
        let end = rest.get(..end).unwrap_or_default();
        let end: String = end.chars().filter(|letter| !matches!(letter, '\'' | '"' | '\\')).collect();
        if !end.is_empty() {
            self.documents.push_back((end, strips_tabs));
        }
    }
}

/// A word as it is read.
#[derive(Debug, Default)]
struct Word {
    text: String,
    /// Where it begins; 0 while there is none.
    column: usize,
}

impl Word {
    fn is_empty(&self) -> bool {
        self.column == 0
    }

    fn open(&mut self, column: usize) {
        if self.column == 0 {
            self.column = column;
        }
    }

    fn push(&mut self, letter: char, column: usize) {
        self.open(column);
        self.text.push(letter);
    }
}

/// Whether this is `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name).unwrap_or_default();
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(script: &str) -> Vec<(usize, usize, &'static str)> {
        let mut scanner = Scanner::default();
        let lines = (1..).zip(script.lines());
        lines
            .filter_map(|(number, line)| {
                scanner.line(line).map(|restart| (number, restart.column, restart.command))
            })
            .collect()
    }

    #[test]
    fn commands_that_end_the_installer_are_found_where_they_stand() {
        for (line, column, command) in [
            ("reboot", 1, "reboot"),
            ("  /sbin/reboot -f", 3, "reboot"),
            ("sync; sync; /usr/sbin/poweroff &", 13, "poweroff"),
            ("test -e /x && halt -p", 15, "halt"),
            ("if true; then reboot; fi", 15, "reboot"),
            ("(sleep 5; reboot) &", 11, "reboot"),
            ("(reboot)", 2, "reboot"),
            ("shutdown -r now", 1, "reboot"),
            ("shutdown -h now", 1, "poweroff"),
            ("A=1 exec systemctl --force reboot", 10, "reboot"),
            ("systemctl poweroff", 1, "poweroff"),
            ("init 6", 1, "reboot"),
            ("telinit 0", 1, "poweroff"),
            ("kexec -e", 1, "reboot"),
            ("echo b >/proc/sysrq-trigger", 9, "reboot"),
            ("echo 'x y' | { reboot", 16, "reboot"),
            ("\"reboot\"", 1, "reboot"),
            ("ä && reboot # now", 6, "reboot"),
        ] {
            assert_eq!(found(line), [(1, column, command)], "{line}");
        }
        assert_eq!(found("systemctl \\\n reboot\n"), [(2, 1, "reboot")]);
        assert_eq!(found("cat >/x <<'EOF' && reboot\nreboot\nEOF\n"), [(1, 20, "reboot")]);
    }

    #[test]
    fn what_only_looks_like_one_is_not() {
        for script in [
            "echo reboot",
            "echo 'done; reboot'",
            "echo \"; reboot\"",
            "# reboot",
            "echo x # ; reboot",
            "systemctl enable reboot.target",
            "systemctl restart sshd",
            "shutdown -c",
            "init q",
            "kexec -l /boot/vmlinuz",
            "reboot() { :; }",
            "case $1 in reboot) echo x;; esac",
            "cat >/etc/rc.local <<EOF\nreboot\nEOF\n",
            "cat <<-\"END\" >/x\n\treboot\n\tEND\necho",
            "cat <<A <<B\nreboot\nA\nhalt\nB\n",
            "echo 'a\nreboot\n'\n",
            "echo a \\\n  reboot\n",
            "rebooting",
            "grep -q reboot <<< x\necho",
            "rm /sbin/reboot",
        ] {
            assert!(found(script).is_empty(), "{script}: {:?}", found(script));
        }
    }
}
