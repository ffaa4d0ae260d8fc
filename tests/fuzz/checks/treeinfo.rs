//! `.treeinfo` and `.discinfo`: anything is one; paths never leave the tree.

use pxego::media::treeinfo::{Discinfo, Treeinfo};

fn stays_inside(path: &str) {
    assert!(
        !path.starts_with('/') && !path.ends_with('/') && !path.contains("//") && !path.contains('\0'),
        "{path}"
    );
    assert!(path.split('/').all(|part| part != "." && part != ".."), "{path}");
}

/// Reads `data` as both files.
pub fn treeinfo(data: &[u8]) {
    let tree = Treeinfo::parse(data);
    assert_eq!(tree, Treeinfo::parse(data));
    let arch = tree.arch().unwrap_or("x86_64").to_owned();
    let paths = [tree.kernel(&arch), tree.initrd(&arch), tree.main_image()];
    paths.iter().flatten().for_each(|path| stays_inside(path));
    tree.repositories().iter().for_each(|path| stays_inside(path));
    tree.package_directories().iter().for_each(|path| stays_inside(path));
    for sum in tree.checksums() {
        stays_inside(&sum.path);
        assert!(sum.digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
    assert!(tree.variants().iter().all(|name| !name.is_empty() && !name.contains([',', ' '])));
    assert!(tree.family() != Some("") && tree.version() != Some(""));

    // Comments and empty lines change nothing.
    let mut more = b"# nothing\n\n; nothing = 1\n".to_vec();
    if !data.starts_with("\u{feff}".as_bytes()) {
        more.extend(data);
        assert_eq!(Treeinfo::parse(&more), tree);
    }

    let disc = Discinfo::parse(data);
    assert!([disc.stamp, disc.release, disc.arch, disc.discs].iter().all(|line| !line.contains('\n')));
}
