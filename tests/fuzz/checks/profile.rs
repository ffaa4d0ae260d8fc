//! Profiles in TOML: any bytes are read or refused with a line, and what is read is written clean for every release that
//! has what it wants.

use pxego::answer::check::{Against, check};
use pxego::answer::write::{Sources, settle, write};
use pxego::answer::{Profile, Release};

/// Reads `data` as a profile and writes it for a release that its length chooses.
pub fn profile(data: &[u8]) {
    let mut profile = match Profile::from_toml(data) {
        Ok(profile) => profile,
        Err(error) => {
            assert!(!error.is_empty() && !error.contains('\n'), "{error}");
            return;
        }
    };
    settle(&mut profile, |_, _| Ok::<_, String>("$6$salt$hash".to_owned())).expect("hashes are made");
    let release = Release::ALL[data.len() % Release::ALL.len()];
    let Ok(text) = write(&profile, release, &Sources::default()) else { return };
    let report = check(text.as_bytes(), Against { release, repository: None, served: None });
    assert!(!report.has_errors(), "{release}: {:#?}\n{text}", report.findings);
    if profile.disk.wipe.is_none() {
        assert!(
            !text.lines().any(|line| line.starts_with("clearpart") || line.starts_with("zerombr")),
            "{text}"
        );
    }
}
