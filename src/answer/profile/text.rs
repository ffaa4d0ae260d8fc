//! The texts that a profile is made of: each is checked when it is read, so that nothing later can be wrong about it.

use std::fmt;
use std::str::FromStr;

use super::super::quote::one_line;
use super::super::{check, lexer};

/// Most characters of a value.
const MAX_LEN: usize = 4096;

/// Declares a text that is checked when it is read.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(super) String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                one_line(&text).map_err(|error| error.to_string())?;
                if text.chars().count() > MAX_LEN {
                    return Err(format!("it has more than {MAX_LEN} characters"));
                }
                let check: fn(&str) -> Result<(), String> = $check;
                check(&text).map(|()| Self(text))
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

pub(super) fn letters(text: &str, extra: &str) -> Result<(), String> {
    let is_bad = |c: &char| !c.is_ascii_alphanumeric() && !extra.contains(*c);
    match text.chars().find(is_bad) {
        _ if text.is_empty() => Err("it is empty".to_owned()),
        _ if text.starts_with('-') => Err(format!("\"{text}\" begins with -")),
        Some(c) => Err(format!("\"{text}\" has a {c:?}; letters, digits and {extra} may be there")),
        None => Ok(()),
    }
}

checked_text!(
    /// A name of a service, an interface or a repository.
    Name,
    |text| {
        if text.len() > 64 {
            return Err("a name has at most 64 letters".to_owned());
        }
        letters(text, "._-@:")
    }
);

checked_text!(
    /// A name of a user or of a user's group, as useradd(8) of the Red Hat family takes it (its CAVEATS); with another no
    /// account is made.
    Login,
    |text| {
        letters(text, "._-")?;
        if text.len() > 32 {
            return Err(format!("\"{text}\" has more than 32 letters"));
        }
        if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return Err(format!("\"{text}\" would be taken for a number; put a letter into it"));
        }
        Ok(())
    }
);

checked_text!(
    /// A language, a keyboard, a time zone, a host: one word without surprises.
    Word,
    |text| letters(text, "._-@:/+,=")
);

checked_text!(
    /// A name of a host, with or without its domain (RFC 1123 §2.1).
    HostName,
    |text| {
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let is_good = text.len() <= 253 && text.split('.').all(is_label);
        is_good.then_some(()).ok_or_else(|| format!("\"{text}\" is no name of a host, such as node1.example.org"))
    }
);

checked_text!(
    /// Free text on one line: a person's name, a passphrase.
    Text,
    |_| Ok(())
);

checked_text!(
    /// More arguments for a kernel.
    Arguments,
    |text| {
        if text.contains('\\') { Err("a kernel's arguments have no backslash".to_owned()) } else { Ok(()) }
    }
);

checked_text!(
    /// Where a repository or a tree is.
    Url,
    |text| {
        let has_scheme = ["http://", "https://", "ftp://", "file://"].iter().any(|scheme| text.starts_with(scheme));
        if !has_scheme {
            return Err(format!("\"{text}\" is no URL; it begins with http://, https:// or ftp://"));
        }
        letters(text, ":/._-~%?&=+,;@!$*()[]")
    }
);

checked_text!(
    /// A name in `%packages`: a package, a glob, something provided.
    Package,
    |text| {
        if text.starts_with(['@', '-', '%', '#']) {
            return Err(format!("\"{text}\" is no name of a package"));
        }
        letters(text, "._-+*?:()/[]~^")
    }
);

checked_text!(
    /// A group or an environment: its id, or its title.
    Group,
    |text| {
        if text.starts_with(['@', '^']) {
            return Err(format!("write {} without the @", text.trim_start_matches(['@', '^'])));
        }
        letters(text, "._-+ ()&/:")
    }
);

checked_text!(
    /// A public key of ssh, as it stands in a `.pub` file (OpenSSH `sshd(8)`, AUTHORIZED_KEYS).
    SshKey,
    |text| {
        const KINDS: [&str; 4] = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"];
        let mut words = text.split(' ');
        let kind = words.next().unwrap_or_default();
        let data = words.next().unwrap_or_default();
        let is_key = KINDS.iter().any(|known| kind.starts_with(known))
            && data.len() >= 16
            && data.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
        is_key.then_some(()).ok_or_else(|| "this is no public key of ssh; give what is in a .pub file".to_owned())
    }
);

checked_text!(
    /// A port with its protocol, as `8080:tcp`.
    Port,
    |text| {
        let parsed = text.split_once(':').filter(|(number, protocol)| {
            number.parse::<u16>().is_ok_and(|number| number > 0) && ["tcp", "udp"].contains(protocol)
        });
        parsed.map(|_| ()).ok_or_else(|| format!("\"{text}\" is no port; write it as 8080:tcp"))
    }
);

/// The lines of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body(String);

/// Longest script, in bytes.
const MAX_BODY: usize = 256 << 10;

impl Body {
    /// The lines, each one ended.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Body {
    type Error = String;

    fn try_from(mut text: String) -> Result<Self, String> {
        if text.len() > MAX_BODY {
            return Err(format!("a script has at most {} KiB", MAX_BODY >> 10));
        }
        if let Some(c) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(format!(
                "a script has the character U+{:04X}; save it as plain UTF-8 with \\n",
                u32::from(c)
            ));
        }
        for line in lexer::lines(&text) {
            let word = lexer::first_word(line.text);
            if word.starts_with('%') && check::is_section_mark(word) {
                return Err(format!(
                    "line {} of the script begins with {word}, where the installer would take it for the end of the \
                     script; write it with something in front",
                    line.number
                ));
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(Self(text))
    }
}

impl FromStr for Body {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}
