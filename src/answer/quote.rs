//! Values as words of the languages they are written into. None of them can say more than itself.

/// Why a value cannot be written into a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritable {
    /// It has a character that ends a line or controls a terminal; neither a kickstart nor we can quote it.
    Control(char),
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control(c) => {
                write!(f, "it has the character U+{:04X}, which ends a line or cannot be seen", u32::from(*c))
            }
        }
    }
}

/// Whether `text` can stand on one line whatever reads it: `str.splitlines` of Python has more ends of lines than others.
///
/// # Errors
/// The first character that cannot.
pub(super) fn one_line(text: &str) -> Result<(), Unwritable> {
    let is_bad = |c: &char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().find(is_bad).map_or(Ok(()), |c| Err(Unwritable::Control(c)))
}

/// A word of a kickstart: pykickstart splits lines as a POSIX shell does, and expands nothing.
///
/// The caller has asked [`one_line`].
pub(super) fn kickstart(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-+:/@,=%^$!*?~[]{}".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A word of a shell: within single quotes everything is itself.
pub(super) fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A pattern of a shell's `case`: `*` and `?` stay what they are, everything else is quoted.
pub(super) fn shell_pattern(text: &str) -> String {
    let mut pattern = String::new();
    for part in text.split_inclusive(['*', '?']) {
        let (plain, wild) = match part.strip_suffix(['*', '?']) {
            Some(plain) => (plain, &part[plain.len()..]),
            None => (part, ""),
        };
        if !plain.is_empty() {
            pattern.push_str(&shell(plain));
        }
        pattern.push_str(wild);
    }
    if pattern.is_empty() { "''".to_owned() } else { pattern }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{lines, words};
    use super::*;

    /// What people and attackers write.
    const HOSTILE: [&str; 14] = [
        "plain",
        "two words",
        "a\"b",
        "a'b",
        "a\\b\\",
        "$(reboot)",
        "`reboot`",
        "a#b",
        "%end",
        "; rm -rf /",
        "--option",
        "",
        "Jürgen ${x}",
        "\\\"\\\\'",
    ];

    #[test]
    fn a_kickstart_reads_back_what_was_quoted() {
        for text in HOSTILE {
            assert_eq!(one_line(text), Ok(()));
            let line = format!("user --name={} x", kickstart(text));
            let read = words(lines(&line).next().expect("a line")).expect("words");
            assert_eq!(read.len(), 3, "{line}");
            assert_eq!(read[1].text, format!("--name={text}"));
        }
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for text in HOSTILE {
            let script = format!("printf %s {}", shell(text));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text);
            let script = format!("case $1 in {}) echo fits ;; esac", shell_pattern(text));
            let output =
                std::process::Command::new("sh").args(["-c", &script, "sh", text]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "fits\n", "{script}");
        }
        assert_eq!(shell_pattern("WD*x?"), "'WD'*'x'?");
    }

    #[test]
    fn what_ends_a_line_is_refused() {
        for text in ["a\nb", "a\r", "a\u{2028}b", "a\0", "a\x0cb", "\u{85}", "\x1b[2J", "\u{202e}x"] {
            assert!(one_line(text).is_err(), "{text:?}");
        }
    }
}
