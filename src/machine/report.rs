//! What an installer reports, made fit for people and files: without control bytes, without secrets, short.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

/// Most lines that are kept of a report: the last ones.
const MAX_LINES: usize = 60;

/// Longest line, in characters.
const MAX_LINE: usize = 300;

/// What a line says in which an installer tells why it gives up.
const COMPLAINTS: [&str; 9] =
    ["error", "failed", "failure", "fatal", "cannot", "could not", "no space", "unable", "not found"];

/// How hashes of passwords begin (crypt(5)).
const HASHES: [&str; 8] = ["$1$", "$2", "$5$", "$6$", "$7$", "$y$", "$gy$", "$sm3$"];

/// What stands where a secret stood.
const HIDDEN: &str = "[hidden]";

/// The last lines of a report. `secrets` are those that must not be shown, such as that in the kickstart's URL.
pub fn lines(body: &[u8], secrets: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let all: Vec<&str> = text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()).collect();
    let last = all.get(all.len().saturating_sub(MAX_LINES)..).unwrap_or_default();
    last.iter().map(|line| clean(line, secrets)).collect()
}

fn clean(line: &str, secrets: &[&str]) -> String {
    let mut line = line.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, HIDDEN);
    }
    let is_hash = |word: &str| HASHES.iter().any(|prefix| word.contains(prefix));
    let word = |word| if is_hash(word) { HIDDEN } else { word };
    let line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let line = line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_LINE).collect::<String>();
    line.trim_end().to_owned()
}

/// Why an installer gave up, in one line: the last one that sounds like a reason, else the last.
pub fn reason(lines: &[String]) -> Option<String> {
    let said = || lines.iter().rev().filter(|line| !line.starts_with("== "));
    let complains = |line: &&String| {
        let lower = line.to_ascii_lowercase();
        COMPLAINTS.iter().any(|complaint| lower.contains(complaint))
    };
    said().find(complains).or_else(|| said().next()).map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_come_without_control_bytes_and_secrets() {
        let body = b"== /tmp/anaconda.log\n\x1b[2Jcmdline ks=http://x/ks/0123abcd/ks.cfg\r\n\
                     rootpw --iscrypted $6$salt$hash and more\n\xff\xfe\n\n";
        let lines = lines(body, &["0123abcd", ""]);
        assert_eq!(
            lines,
            [
                "== /tmp/anaconda.log",
                " [2Jcmdline ks=http://x/ks/[hidden]/ks.cfg",
                "rootpw --iscrypted [hidden] and more",
                "\u{fffd}\u{fffd}"
            ]
        );
    }

    #[test]
    fn a_long_log_is_cut() {
        let body: String = (0..1000).map(|number| format!("{number}{}\n", "x".repeat(1000))).collect();
        let lines = lines(body.as_bytes(), &[]);
        assert_eq!(lines.len(), MAX_LINES);
        assert!(lines.iter().all(|line| line.chars().count() == MAX_LINE) && lines[0].starts_with("940"));
    }

    #[test]
    fn the_reason_is_the_last_complaint() {
        let of = |text: &str| reason(&lines(text.as_bytes(), &[]));
        let log =
            "== /tmp/anaconda.log\n12:00 ERR anaconda: Not enough space: No space left\n12:01 INF exiting\n";
        assert_eq!(of(log).as_deref(), Some("12:00 ERR anaconda: Not enough space: No space left"));
        assert_eq!(of("== /tmp/x\nbye\n== /tmp/y\n").as_deref(), Some("bye"));
        assert_eq!(of(""), None);
    }
}
