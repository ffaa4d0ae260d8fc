//! A kickstart given by the user: served as it is, with an installation source where it has none that works here.
//!
//! Only as much is read as that needs: which commands stand outside sections. The reference parser is pykickstart
//! (`parser.py`): a section runs from `%name` to `%end`; before EL6 there was no `%end` and a section ran to the next
//! one. What a section holds is never a command.

use std::borrow::Cow;
use std::fmt;

/// Largest kickstart that is taken, in bytes. The longest of 560 real ones has 677 lines; an image given by mistake
/// is larger.
pub const MAX_LEN: usize = 4 << 20;

/// Commands that name an installation source reachable from the machine (pykickstart `commands/method.py`,
/// `liveimg.py`, `ostreesetup.py`, `ostreecontainer.py`).
const REMOTE_SOURCES: [&str; 6] = ["url", "nfs", "liveimg", "ostreesetup", "ostreecontainer", "hmc"];

/// Commands that name a medium in the machine. A machine booted from the network has none.
const LOCAL_SOURCES: [&str; 2] = ["cdrom", "harddrive"];

/// Where a kickstart says that the packages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A command of the file names one that can work; it is left alone. Holds the command.
    Own(&'static str),
    /// A command of the file names a medium in the machine (`cdrom`, `harddrive`); our address takes its place.
    Local {
        /// The command.
        command: &'static str,
        /// Its line, counted from 1.
        line: usize,
    },
    /// The file names none; our address is put in front.
    Missing,
}

/// Why a file cannot be served as a kickstart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KickstartError {
    /// There is nothing in it but blank lines and comments.
    Empty,
    /// It is larger than any kickstart. Holds its length in bytes.
    TooLarge(usize),
    /// It has NUL bytes: an image, an archive, or UTF-16. Holds the offset of the first.
    NotText(usize),
}

impl fmt::Display for KickstartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it has no commands, only blank lines or comments"),
            Self::TooLarge(len) => write!(f, "it has {} MB; no kickstart is that long", len >> 20),
            Self::NotText(at) => write!(f, "it is not a text file (NUL at byte {at}); save it as UTF-8 text"),
        }
    }
}

impl std::error::Error for KickstartError {}

/// A kickstart as the user wrote it.
#[derive(Clone, Debug)]
pub struct Kickstart {
    text: Vec<u8>,
    source: Source,
}

impl Kickstart {
    /// Reads `text` as far as serving it needs.
    ///
    /// # Errors
    /// When it cannot be a kickstart at all; whether its commands are right is not judged here.
    pub fn parse(text: Vec<u8>) -> Result<Self, KickstartError> {
        if text.len() > MAX_LEN {
            return Err(KickstartError::TooLarge(text.len()));
        }
        if let Some(at) = text.iter().position(|&byte| byte == 0) {
            return Err(KickstartError::NotText(at));
        }
        if lines(&text).all(|line| first_word(line).is_none()) {
            return Err(KickstartError::Empty);
        }
        let source = find_source(&text);
        Ok(Self { text, source })
    }

    /// The same file for an installer that reads another language: nothing is put in.
    #[must_use]
    pub fn verbatim(&self) -> Self {
        Self { text: self.text.clone(), source: Source::Own("") }
    }

    /// The file as the user wrote it.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where it says that the packages come from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The file as a machine gets it: byte for byte what the user wrote, unless it lacks an installation source that
    /// can work; then `url --url=tree` is put in.
    pub fn render(&self, tree: &str) -> Cow<'_, [u8]> {
        let command = format!("url --url={tree}");
        let (before, after) = match self.source {
            Source::Own(_) => return Cow::Borrowed(&self.text),
            // First, so that a command that an `%include` brings still wins: the last source named counts.
            Source::Missing => self.text.split_at(byte_order_mark(&self.text)),
            Source::Local { line, .. } => {
                let start = line_start(&self.text, line);
                let (before, rest) = self.text.split_at(start);
                (before, &rest[lines(rest).next().map_or(0, <[u8]>::len)..])
            }
        };
        let mut text = Vec::with_capacity(self.text.len() + command.len() + 2);
        text.extend_from_slice(before);
        text.extend_from_slice(command.as_bytes());
        if self.source == Source::Missing {
            text.extend_from_slice(line_ending(&self.text));
        }
        text.extend_from_slice(after);
        Cow::Owned(text)
    }
}

/// The lines of `text`, without what ends them. CR LF and CR end lines too, as in pykickstart.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        rest = end.map(|end| &text[end + if text[end..].starts_with(b"\r\n") { 2 } else { 1 }..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

/// Offset at which line `number`, counted from 1, begins.
fn line_start(text: &[u8], number: usize) -> usize {
    lines(text).nth(number - 1).map_or(text.len(), |line| line.as_ptr() as usize - text.as_ptr() as usize)
}

/// Length of the UTF-8 byte order mark that `text` begins with.
pub(super) fn byte_order_mark(text: &[u8]) -> usize {
    if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// How the lines of `text` end; as the first one does.
fn line_ending(text: &[u8]) -> &'static [u8] {
    match text.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(at) if text[at..].starts_with(b"\r\n") => b"\r\n",
        Some(at) if text[at] == b'\r' => b"\r",
        _ => b"\n",
    }
}

/// The command or section that a line begins with; `None` for blank lines and comments.
pub(super) fn first_word(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
    let word = line.split(|byte| byte.is_ascii_whitespace() || *byte == b'#').next()?;
    (!word.is_empty()).then_some(word)
}

fn find_source(text: &[u8]) -> Source {
    let mut local = None;
    let mut in_section = false;
    for (index, line) in lines(text).enumerate() {
        let Some(word) = first_word(line) else { continue };
        if word.starts_with(b"%") {
            // Included commands may stand anywhere; every other name opens a section that `%end` closes.
            in_section = match word {
                b"%end" => false,
                b"%include" | b"%ksappend" => in_section,
                _ => true,
            };
        } else if !in_section {
            if let Some(command) = REMOTE_SOURCES.iter().find(|command| command.as_bytes() == word) {
                return Source::Own(command);
            }
            if let Some(command) = LOCAL_SOURCES.iter().find(|command| command.as_bytes() == word) {
                local = Some(Source::Local { command, line: index + 1 });
            }
        }
    }
    local.unwrap_or(Source::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        let kickstart = Kickstart::parse(text.into()).expect("a kickstart");
        String::from_utf8(kickstart.render("http://192.168.100.1/t/el9").into_owned()).expect("text")
    }

    #[test]
    fn a_file_with_its_own_source_is_served_byte_for_byte() {
        for text in [
            "url --url=http://192.168.100.1/\n",
            "lang en_US\r\n  nfs --server=a --dir=/b\r\n",
            "text\nliveimg --url=http://a/b.tar  # comment",
            "%packages\n@core\n%end\nurl --mirrorlist=http://a/$releasever",
            "cdrom\nurl --url http://a/\n",
        ] {
            assert_eq!(rendered(text), text);
        }
    }

    #[test]
    fn a_missing_source_is_put_first_in_the_files_own_line_ends() {
        assert_eq!(rendered("text\nreboot\n"), "url --url=http://192.168.100.1/t/el9\ntext\nreboot\n");
        assert_eq!(
            rendered("text\r\nreboot\r\n"),
            "url --url=http://192.168.100.1/t/el9\r\ntext\r\nreboot\r\n"
        );
        assert_eq!(rendered("\u{feff}text\n"), "\u{feff}url --url=http://192.168.100.1/t/el9\ntext\n");
    }

    #[test]
    fn a_medium_in_the_machine_is_replaced_where_it_stands() {
        assert_eq!(rendered("text\ncdrom\nreboot\n"), "text\nurl --url=http://192.168.100.1/t/el9\nreboot\n");
        assert_eq!(
            rendered("text\r\nharddrive --partition=sda1 --dir=/\r\nreboot"),
            "text\r\nurl --url=http://192.168.100.1/t/el9\r\nreboot"
        );
        let kickstart = Kickstart::parse(b"text\n\ncdrom".to_vec()).expect("a kickstart");
        assert_eq!(kickstart.source(), &Source::Local { command: "cdrom", line: 3 });
    }

    #[test]
    fn what_stands_in_a_section_is_no_command() {
        for text in [
            "%pre\nurl --url=http://a/\n%end\ntext\n",
            "text\n%post\ncdrom\nurl --url=x\n",
            "# url --url=http://a/\ntext\n",
            "urlx\nxurl\n",
        ] {
            let kickstart = Kickstart::parse(text.into()).expect("a kickstart");
            assert_eq!(kickstart.source(), &Source::Missing, "{text}");
        }
        assert_eq!(
            *Kickstart::parse(b"%packages\n@core\n%include /tmp/more\n%end\nnfs --server=a --dir=b".to_vec())
                .expect("a kickstart")
                .source(),
            Source::Own("nfs")
        );
    }

    #[test]
    fn what_cannot_be_a_kickstart_is_refused() {
        assert_eq!(Kickstart::parse(Vec::new()).err(), Some(KickstartError::Empty));
        assert_eq!(Kickstart::parse(b" \n# nothing\n\r\n".to_vec()).err(), Some(KickstartError::Empty));
        assert_eq!(Kickstart::parse(b"text\0".to_vec()).err(), Some(KickstartError::NotText(4)));
        assert_eq!(
            Kickstart::parse(vec![b'x'; MAX_LEN + 1]).err(),
            Some(KickstartError::TooLarge(MAX_LEN + 1))
        );
    }
}
