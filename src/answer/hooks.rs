//! Sections put into the user's kickstart that tell us how far the install is.
//!
//! They are sections of their own, so what the user wrote stays as it is. None of them can break an install: what they run
//! is in the background or bounded, writes nowhere but in the installer's own `/tmp`, and its exit status counts nowhere
//! (no `--erroronfail`). Children close what they inherit, or the installer would wait for them (pykickstart's text on
//! `%pre`).
//!
//! | section | says | where it stands |
//! |---|---|---|
//! | `%pre` | started; which disks the user's own `%pre` chose | last of its kind: after the user's |
//! | `%post --nochroot` | packages | before the user's first `%post`, or last |
//! | `%post --nochroot` | finished | last: only when every script of the user's is through |
//! | `%onerror` or `%traceback` | failed, with the end of the installer's log | last |

use super::kickstart::{byte_order_mark, first_word, lines};

/// What the hooks run, without what differs from machine to machine.
const SCRIPT: &str = include_str!("hook.sh");

/// Most files whose storage commands are looked for.
const MAX_INCLUDES: usize = 8;

/// The section that runs when an install fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FailureSection {
    /// On every fatal error. pykickstart knows it from 3.2 on, and from 1.99.66.11, that of RHEL 7.4.
    OnError,
    /// Only where the installer itself breaks; deprecated since Fedora 34.
    Traceback,
}

/// What the hooks must know of the release that reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Whether `%end` closes a section. EL5 knows none: a section ends where the next begins.
    has_end: bool,
    failure: FailureSection,
}

impl Dialect {
    /// That of a release, by the id of its family (`media::family`), its product, and its version as far as it is known.
    pub fn of(family: &str, product: &str, version: Option<&str>) -> Self {
        let mut numbers = version.unwrap_or_default().split('.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next().and_then(Result::ok), numbers.next().and_then(Result::ok));
        let is = |id: &str| family == id || family.strip_prefix(id).is_some_and(|rest| rest.starts_with('-'));
        let knows_onerror = if is("el5") || is("el6") {
            false
        } else if is("el7") {
            // CentOS' own `.treeinfo` says 7 for all of them.
            major == Some(7) && minor.is_some_and(|minor| minor >= 4)
        } else if product.starts_with("Fedora") {
            major.is_some_and(|major| major >= 25)
        } else {
            major.is_some_and(|major| major >= 8)
        };
        let failure = if knows_onerror { FailureSection::OnError } else { FailureSection::Traceback };
        Self { has_end: !is("el5"), failure }
    }

    fn section(self, header: &str, body: &str) -> String {
        let end = if self.has_end { "%end\n" } else { "" };
        format!("{header}\n{body}{end}")
    }
}

/// `text` with the hooks, which report to `url` followed by a slash and a word. Nothing when its last section is not closed:
/// the installer will say so, and must say it of the user's lines, not of ours.
pub fn insert(text: &[u8], dialect: Dialect, url: &str) -> Option<Vec<u8>> {
    let outline = Outline::of(text, dialect)?;
    let packages = dialect.section(
        "%post --nochroot",
        "# pxego: says how far the install is; nothing waits for it\n\
         if [ -f /tmp/pxego-hook ]; then sh /tmp/pxego-hook packages & fi\n",
    );
    let (before, after) = text.split_at(outline.first_post.unwrap_or(text.len()));
    let mut whole = before.to_vec();
    let line_is_open = |text: &[u8]| !text.is_empty() && !text.ends_with(b"\n") && !text.ends_with(b"\r");
    if line_is_open(&whole) {
        whole.push(b'\n');
    }
    whole.extend_from_slice(packages.as_bytes());
    whole.extend_from_slice(after);
    if line_is_open(&whole) {
        whole.push(b'\n');
    }
    whole.extend_from_slice(last_sections(&outline, dialect, url).as_bytes());
    Some(whole)
}

fn last_sections(outline: &Outline, dialect: Dialect, url: &str) -> String {
    let words = if outline.includes.is_empty() { "started" } else { "started storage" };
    let script = SCRIPT.replace("@URL@", url).replace("@INCLUDES@", &outline.includes.join(" "));
    let pre = format!(
        "# pxego: says how far the install is; nothing waits for it. Without it: --no-hooks\n\
         umask 077\n\
         cat >/tmp/pxego-hook <<'PXEGO'\n\
         {script}\
         PXEGO\n\
         sh /tmp/pxego-hook {words} &\n"
    );
    let run = |word: &str| format!("if [ -f /tmp/pxego-hook ]; then sh /tmp/pxego-hook {word} || :; fi\n");
    let failure = match dialect.failure {
        FailureSection::OnError => "%onerror",
        FailureSection::Traceback => "%traceback",
    };
    [
        dialect.section("%pre", &pre),
        dialect.section("%post --nochroot", &run("finished")),
        dialect.section(failure, &run("failed")),
    ]
    .concat()
}

/// Where sections begin in a kickstart.
struct Outline {
    /// Offset of the first `%post` section's line.
    first_post: Option<usize>,
    /// Files below `/tmp` whose commands it includes, which its `%pre` writes.
    includes: Vec<String>,
}

impl Outline {
    /// Nothing when a section is open at the end.
    fn of(text: &[u8], dialect: Dialect) -> Option<Self> {
        let mut outline = Self { first_post: None, includes: Vec::new() };
        let mut in_section = false;
        for line in lines(text) {
            let Some(word) = first_word(line).filter(|word| word.starts_with(b"%")) else { continue };
            match word {
                b"%include" => outline.include(line, in_section),
                b"%ksappend" => {}
                b"%end" => in_section = false,
                // In a script of EL6 and later only %end counts; before that every section's name does.
                _ if in_section && dialect.has_end => {}
                _ => {
                    in_section = true;
                    if word == b"%post" && outline.first_post.is_none() {
                        outline.first_post = Some(offset(text, line));
                    }
                }
            }
        }
        (!in_section || !dialect.has_end).then_some(outline)
    }

    fn include(&mut self, line: &[u8], in_section: bool) {
        let words = std::str::from_utf8(line).unwrap_or_default();
        let Some(path) = words.split_ascii_whitespace().nth(1) else { return };
        let path = path.trim_matches(['"', '\'']);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let is_written_in_pre = path.starts_with("/tmp/") && path.chars().all(is_plain);
        if is_written_in_pre && !in_section && self.includes.len() < MAX_INCLUDES {
            self.includes.push(path.to_owned());
        }
    }
}

/// Where `line`, a part of `text`, begins.
fn offset(text: &[u8], line: &[u8]) -> usize {
    let at = (line.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    // A byte order mark stays the first thing in the file.
    at.max(byte_order_mark(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://192.168.100.1/hook/0123456789abcdef";

    fn inserted(text: &str, family: &str) -> String {
        let text = insert(text.as_bytes(), Dialect::of(family, "CentOS", Some("9")), URL).expect("hooks");
        String::from_utf8(text).expect("text")
    }

    /// The names of the sections in their order.
    fn sections(text: &str) -> Vec<&str> {
        let names = text.lines().filter(|line| line.starts_with('%') && *line != "%end");
        names.map(|line| line.split(' ').next().unwrap_or(line)).collect()
    }

    #[test]
    fn what_the_user_wrote_stays_and_ours_runs_after_it() {
        let user = "lang en_US\n%pre\nfind-disks >/tmp/part\n%end\n%include /tmp/part\n%packages\n@core\n%end\n\
                    %post --interpreter=/usr/bin/python\nprint('x')\n%end\n";
        let text = inserted(user, "el8plus");
        assert_eq!(
            sections(&text),
            ["%pre", "%include", "%packages", "%post", "%post", "%pre", "%post", "%onerror"]
        );
        // Ours out again.
        let (head, rest) = text.split_once("%post --nochroot\n").expect("the first of ours");
        let (_, rest) = rest.split_once("%end\n").expect("its end");
        assert!(format!("{head}{rest}").starts_with(user), "{text}");
        assert!(text.contains("sh /tmp/pxego-hook started storage &\n"));
        assert!(text.contains("mount) ' /tmp/part | sed"), "{text}");
        assert!(text.contains(&format!("@$1 {URL}/$2 &&")), "{text}");
        assert!(!text.contains("@URL@") && !text.contains("@INCLUDES@") && !text.contains("--erroronfail"));
    }

    #[test]
    fn a_file_without_its_last_line_end_and_one_with_crlf_stay_right() {
        let text = inserted("lang en_US\r\n%post\r\necho x\r\n%end", "el7");
        assert!(text.contains("\r\n%end\n%pre\n"), "{text}");
        assert!(text.starts_with("lang en_US\r\n%post --nochroot\n# pxego"), "{text}");
    }

    #[test]
    fn el5_has_no_end_and_commands_come_first() {
        let user = "lang en_US\n%packages\n@core\n%post\necho 1\n";
        let text = inserted(user, "el5");
        assert_eq!(sections(&text), ["%packages", "%post", "%post", "%pre", "%post", "%traceback"]);
        assert!(!text.contains("%end"), "{text}");
    }

    #[test]
    fn a_section_in_a_script_is_none_from_el6_on() {
        let user = "%post\ncat >/root/x <<EOF\n%post\nEOF\n%end\n";
        assert!(inserted(user, "el6").starts_with("%post --nochroot\n"));
        for open in ["%packages\n@core\n", "%post\necho %end\n"] {
            assert_eq!(insert(open.as_bytes(), Dialect::of("el8plus", "", None), URL), None);
        }
    }

    #[test]
    fn only_plain_files_below_tmp_are_looked_into() {
        let user = "%include /tmp/a\n%include \"/tmp/b-c.cfg\"\n%include /tmp/$(reboot)\n%include http://x/y\n\
                    %include /tmp/d;e\n%packages\n%include /tmp/packages\n%end\n";
        assert!(inserted(user, "el8plus").contains("mount) ' /tmp/a /tmp/b-c.cfg | sed"));
        assert!(inserted("text\n", "el8plus").contains("sh /tmp/pxego-hook started &\n"));
    }

    #[test]
    fn each_release_gets_the_failure_section_that_it_knows() {
        for (family, product, version, section) in [
            ("el5", "CentOS", Some("5.11"), "%traceback"),
            ("el6-netinst", "CentOS", Some("6.10"), "%traceback"),
            ("el7", "CentOS", None, "%traceback"),
            ("el7", "CentOS", Some("7"), "%traceback"),
            ("el7", "CentOS", Some("7.3"), "%traceback"),
            ("el7-netinst", "CentOS", Some("7.9.2009"), "%onerror"),
            ("el7", "Fedora", Some("20"), "%traceback"),
            ("el8plus", "CentOS Stream", Some("8"), "%onerror"),
            ("el8plus-netinst", "Fedora", Some("40"), "%onerror"),
            ("fedora", "Fedora", Some("23"), "%traceback"),
            ("treeinfo", "Anolis OS", None, "%traceback"),
        ] {
            let text = insert(b"text\n", Dialect::of(family, product, version), URL).expect("hooks");
            let text = String::from_utf8(text).expect("text");
            assert_eq!(sections(&text).last(), Some(&section), "{family} {version:?}");
        }
    }

    /// EL5's parser splits every line of a script as a shell does, and ends at a quote that it does not find again.
    #[test]
    fn every_line_of_ours_has_its_quotes_in_pairs_and_begins_no_section() {
        for line in SCRIPT.lines() {
            assert_eq!(line.matches('\'').count() % 2, 0, "{line}");
            assert_eq!(line.matches('"').count() % 2, 0, "{line}");
            assert!(!line.trim_start().starts_with('%') && !line.contains('\\'), "{line}");
        }
    }
}
