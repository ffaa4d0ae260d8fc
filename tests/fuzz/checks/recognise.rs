//! Whole images, by the files that tell what they are: a name, entries that start what is there, and menus; or a refusal.

use std::collections::BTreeSet;

use pxego::image::FileTree;
use pxego::media::{self, EntryKind, Media};

use super::files::Files;
use super::scripts;

/// Reads `data` as a volume id and files.
pub fn recognise(data: &[u8]) {
    let (volume_id, tree) = Files::parse(data);
    // ECMA-119 §8.4.8: it has 32 bytes.
    let volume_id = String::from_utf8_lossy(&volume_id[..volume_id.len().min(32)]).into_owned();
    match media::recognise(&tree, &volume_id) {
        Ok(media) => is_whole(&media, &tree),
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("recognised as ") || text.starts_with("not an install image"), "{text}");
        }
    }
}

fn is_whole(media: &Media, tree: &Files) {
    assert!(!media.name.is_empty() && !media.product.is_empty() && !media.arch.is_empty());
    assert!(!media.evidence.is_empty());
    assert!(!media.kernel().is_empty(), "the first entry is no disk's");
    let is_file = |path: &str| tree.file(path.as_bytes()).is_some();
    let mut ids = BTreeSet::new();
    for entry in &media.entries {
        assert!(ids.insert(&entry.id), "{} twice", entry.id);
        let is_of_id = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-_.".contains(it);
        assert!(!entry.id.is_empty() && entry.id.chars().all(is_of_id), "{entry:?}");
        match entry.kind {
            EntryKind::Local => assert!(entry.kernel.is_empty() && entry.initrds.is_empty()),
            _ => {
                assert!(is_file(&entry.kernel) && entry.initrds.iter().all(|path| is_file(path)), "{entry:?}")
            }
        }
    }
    assert!(media.stage2.iter().all(|path| is_file(path)), "{:?}", media.stage2);
    for path in &media.repositories {
        let directory = if path.is_empty() { String::new() } else { format!("{path}/") };
        assert!(is_file(&format!("{directory}repodata/repomd.xml")), "{path:?}");
    }
    scripts::check(media);
}
