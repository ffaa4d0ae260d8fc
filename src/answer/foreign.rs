//! Answer files of other installers than anaconda: served as they are. What is looked at is whether a file can be of the
//! kind that an image reads at all, so that a kickstart does not go to YaST.

use crate::media::AnswerKind;

/// Whether `text` can be an answer file of this kind, going by what every one of its kind has.
pub fn is_of_kind(text: &[u8], kind: AnswerKind) -> bool {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let is_xml = text.starts_with('<');
    let is_json = text.starts_with('{');
    let has_line =
        |starts: &[&str]| text.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    match kind {
        AnswerKind::None => false,
        AnswerKind::Kickstart => !is_xml && !is_json && !text.starts_with("#cloud-config"),
        // AutoYaST documentation, "The XML profile".
        AnswerKind::AutoYast => is_xml && text.contains("<profile"),
        AnswerKind::Agama => is_json || text.contains("product") || is_xml,
        // Ignition specification v3: one object with its version.
        AnswerKind::Ignition => is_json && text.contains("\"ignition\""),
        // debian-installer manual, appendix B: OWNER QUESTION TYPE VALUE.
        AnswerKind::Preseed => has_line(&["d-i ", "d-i\t", "tasksel ", "ubiquity "]),
        AnswerKind::Autoinstall => text.starts_with("#cloud-config") || has_line(&["autoinstall:"]),
        AnswerKind::MachineConfig => has_line(&["machine:"]),
        AnswerKind::Script | AnswerKind::Apkovl => !text.is_empty(),
    }
}

/// Whether a file says where its system comes from: all do that are no preseed file, and those that name a mirror.
pub fn names_source(text: &[u8]) -> bool {
    let names_mirror = || String::from_utf8_lossy(text).contains("mirror/http/hostname");
    !is_of_kind(text, AnswerKind::Preseed) || names_mirror()
}

/// What a file of this kind is called.
pub fn name(kind: AnswerKind) -> &'static str {
    match kind {
        AnswerKind::None => "answer file",
        AnswerKind::Kickstart => "kickstart",
        AnswerKind::AutoYast => "AutoYaST profile",
        AnswerKind::Agama => "Agama profile",
        AnswerKind::Ignition => "Ignition configuration",
        AnswerKind::Preseed => "preseed file",
        AnswerKind::Autoinstall => "autoinstall file (user-data)",
        AnswerKind::Script => "script",
        AnswerKind::Apkovl => "apkovl archive",
        AnswerKind::MachineConfig => "machine configuration",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [AnswerKind; 7] = [
        AnswerKind::Kickstart,
        AnswerKind::AutoYast,
        AnswerKind::Ignition,
        AnswerKind::Preseed,
        AnswerKind::Autoinstall,
        AnswerKind::MachineConfig,
        AnswerKind::None,
    ];

    #[test]
    fn a_preseed_file_without_a_mirror_leaves_that_to_us() {
        for (text, expected) in [
            ("d-i passwd/make-user boolean false\n", false),
            ("d-i mirror/http/hostname string deb.example.org\n", true),
            ("{\"ignition\": {}}\n", true),
            ("#cloud-config\n", true),
        ] {
            assert_eq!(names_source(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_file_is_of_its_own_kind_only() {
        let cases = [
            (AnswerKind::Kickstart, "lang en_US\nkeyboard us\n%packages\n@core\n%end\n"),
            (
                AnswerKind::AutoYast,
                "\u{feff}<?xml version=\"1.0\"?>\n<!DOCTYPE profile>\n<profile xmlns=\"x\"/>\n",
            ),
            (AnswerKind::Ignition, "{\n \"ignition\": { \"version\": \"3.4.0\" }\n}\n"),
            (AnswerKind::Autoinstall, "#cloud-config\nautoinstall:\n  version: 1\n"),
        ];
        for (kind, text) in cases {
            let fits: Vec<AnswerKind> =
                KINDS.into_iter().filter(|kind| is_of_kind(text.as_bytes(), *kind)).collect();
            assert_eq!(fits, [kind], "{text}");
        }
        // These are lines of words like a kickstart's.
        assert!(is_of_kind(b"# x\nd-i debian-installer/locale string en_US\n", AnswerKind::Preseed));
        assert!(!is_of_kind(b"lang en_US\n", AnswerKind::Preseed));
    }
}
