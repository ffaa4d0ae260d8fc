//! The checker of kickstarts: any bytes get a verdict, each finding stands on a line that is there, and the same text always
//! gets the same.

use pxego::answer::Release;
use pxego::answer::check::{Against, Served, check};
use pxego::answer::lexer::{lines, words};
use pxego::answer::repository::Repository;

/// Checks `data` for a release that its first byte chooses.
pub fn kickstart_check(data: &[u8]) {
    let (number, text) = data.split_first().map_or((0, data), |(first, rest)| (usize::from(*first), rest));
    let release = Release::ALL[number % Release::ALL.len()];
    let mut repository = Repository::default();
    let packages = repository.packages.get_or_insert_default();
    ["bash", "httpd", "kernel-core"].iter().for_each(|name| packages.add_name(name));
    let served = Served {
        root: "http://192.168.100.1/".to_owned(),
        tree: Some("http://192.168.100.1/t/el9".to_owned()),
        repositories: vec!["AppStream".to_owned()],
    };
    let against = Against { release, repository: Some(&repository), served: Some(&served) };
    let report = check(text, against);
    // Twice the time for what any input would show: of some only.
    if text.len() % 8 == 0 {
        assert_eq!(report, check(text, against));
    }
    let decoded = String::from_utf8_lossy(text);
    let count = lines(&decoded).count();
    for finding in &report.findings {
        assert!(finding.line <= count + 1, "{finding:?} of {count} lines");
        assert!((finding.line == 0) == (finding.column == 0), "{finding:?}");
        assert!(
            !finding.message.is_empty() && !finding.message.contains('\n') || text.contains(&b'\\'),
            "{finding:?}"
        );
    }
    // Lines are cut and lose nothing but their ends; words come from their line.
    let mut length = 0;
    for (index, line) in lines(&decoded).enumerate() {
        assert_eq!(line.number, index + 1);
        length += line.text.len();
        for word in words(line).unwrap_or_default() {
            assert!(word.column >= 1 && word.column <= line.text.chars().count() + 1);
        }
    }
    assert!(length <= decoded.len());
}
