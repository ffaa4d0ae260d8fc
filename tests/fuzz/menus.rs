//! What the checks of menu readers share: an image with two configurations and a few kernels, and what must be true of
//! whatever comes of them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pxego::boot::arguments::{Values, expand};
use pxego::media::menu::{Action, read};
use pxego::media::{EntryKind, recognise};

use super::files::Files;
use super::scripts;

/// Files that are there beside the configurations.
const FILES: [&str; 7] = ["k", "i", "isolinux/k", "isolinux/i", "boot/k", "boot/i", "boot/memtest.bin"];

/// Two files out of one: they are parted by a line `--`.
pub fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let mark = b"\n--\n";
    match data.windows(mark.len()).position(|window| window == mark) {
        Some(at) => (&data[..at], &data[at + mark.len()..]),
        None => (data, &[]),
    }
}

fn stays_inside(path: &str) {
    assert!(!path.is_empty() && !path.contains(char::is_control), "{path:?}");
    assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{path}");
}

/// Reads the menu of an image with these files, and the image.
pub fn check(files: &[(&'static str, &[u8])]) {
    let others = FILES.into_iter().filter(|path| files.iter().all(|(own, _)| own != path));
    let files = files.iter().copied().chain(others.map(|path| (path, &[][..])));
    let tree = Files::new(files.map(|(path, bytes)| (path.as_bytes(), bytes)));
    let menu = read(&tree);
    assert_eq!(menu, read(&tree));
    for item in menu.iter().flat_map(|menu| &menu.items) {
        assert!(!item.title.contains(char::is_control), "{item:?}");
        if let Action::Kernel { kernel, initrds, arguments } = &item.action {
            stays_inside(kernel);
            initrds.iter().for_each(|path| stays_inside(path));
            assert!(arguments.iter().all(|word| !word.contains(char::is_control)), "{arguments:?}");
        }
    }
    let around = menu.into_iter().map(|menu| menu.menu);
    around.flat_map(|menu| menu.screens).for_each(|(_, path)| stays_inside(&path));

    let Ok(media) = recognise(&tree, "volume") else { return };
    assert!(!media.known, "{:?}", media.evidence);
    let mut ids = BTreeSet::new();
    for entry in &media.entries {
        let is_of_id = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-_.".contains(it);
        assert!(!entry.id.is_empty() && entry.id.chars().all(is_of_id), "{entry:?}");
        assert!(ids.insert(&entry.id), "{} twice", entry.id);
        assert_eq!(entry.kernel.is_empty(), entry.kind == EntryKind::Local, "{entry:?}");
        // Whatever the image says, it says it inside words.
        for answer in [None, Some("http://192.168.100.1/ks/0/ks.cfg")] {
            let values = Values {
                tree: "http://192.168.100.1/t/x",
                has_packages: true,
                mirror: None,
                iso: Some("http://192.168.100.1/i/x.iso"),
                answer,
                mac: None,
                server: Ipv4Addr::new(192, 168, 100, 1),
                arch: "x86_64",
                disk: None,
            };
            let words = expand(&entry.arguments, &values);
            let is_bad =
                |word: &String| word.is_empty() || word.contains('"') || word.contains(char::is_control);
            assert!(!words.iter().any(is_bad), "{words:?}");
        }
    }
    scripts::check(&media);
    let default = media.menu.and_then(|menu| menu.default);
    assert!(default.is_none_or(|default| media.entries.iter().any(|entry| entry.id == default)));
}
