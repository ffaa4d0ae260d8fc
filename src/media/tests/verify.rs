#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
use super::*;
use crate::image::{Entry, Extent, File};
use crate::media::implanted::tests::image;
use std::sync::Arc;

/// Files that are ranges of one buffer, as on an image; and lists beside them.
struct Tree {
    source: Arc<Vec<u8>>,
    files: Vec<(&'static str, Vec<Extent>)>,
    texts: Vec<(&'static str, String)>,
}

impl FileTree for Tree {
    fn find(&self, path: &[u8]) -> Option<Node> {
        if path == b"directory" {
            return Some(Node::Directory);
        }
        let text = self.texts.iter().find(|(name, _)| name.as_bytes() == path);
        let data = match text {
            Some((_, text)) => FileData::from_bytes(text.clone().into_bytes()),
            None => {
                let (_, extents) = self.files.iter().find(|(name, _)| name.as_bytes() == path)?;
                FileData::new(self.source.clone(), extents.clone())
            }
        };
        Some(Node::File(File { data, modified: 0 }))
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path)
    }

    fn list(&self, _: &[u8]) -> Option<Vec<Entry>> {
        None
    }
}

/// Reads what is wanted until the verdict is there.
fn verdict(tree: &Tree) -> (Verdict, String) {
    let mut verification = Verification::new(tree, tree.source.as_ref());
    let basis = verification.basis();
    let mut read = 0;
    while let Some(range) = verification.wants() {
        assert!(range.end > range.start && range.end - range.start <= MAX_PIECE as u64, "{range:?}");
        read += range.end - range.start;
        assert!(read <= verification.total(), "more is read than there is");
        let mut bytes = tree.source[range.start as usize..range.end as usize].to_vec();
        verification.take(&mut bytes);
    }
    (verification.verdict(), basis)
}

fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    hasher.digits()
}

fn tree(record: &str) -> Tree {
    let source = Arc::new(image(record));
    let extent = |offset: u64, len: u64| Extent { offset, len };
    let files = vec![
        ("vmlinuz", vec![extent(600_000, 300_000)]),
        ("initrd.img", vec![extent(100_000, 200_000), extent(900_000, 300_000)]),
        ("empty", vec![]),
    ];
    Tree { source, files, texts: Vec::new() }
}

/// A tree with a list of the sums of its files.
fn listed(list: &'static str, record: &str) -> Tree {
    let mut tree = tree(record);
    let (kernel, mut initrd) =
        (tree.source[600_000..900_000].to_vec(), tree.source[100_000..300_000].to_vec());
    initrd.extend(&tree.source[900_000..1_200_000]);
    let sums = [("vmlinuz", sha256(&kernel)), ("initrd.img", sha256(&initrd)), ("empty", sha256(b""))];
    let line = |(path, sum): &(&str, String)| match list {
        ".treeinfo" => format!("{path} = sha256:{sum}\n"),
        _ => format!("{sum}  ./{path}\n"),
    };
    let mut text: String = sums.iter().map(line).collect();
    if list == ".treeinfo" {
        text = format!(
            "[checksums]\nimages/boot.iso = sha256:{}\ndirectory = sha256:{}\n{text}",
            sums[0].1, sums[0].1
        );
    }
    tree.texts.push((list, text));
    tree
}

const GOOD: &str = "ISO MD5SUM = f3ab377e2aea53478a7d60056503bc78;SKIPSECTORS = 15;RHLISOSTATUS=0;FRAGMENT SUMS = \
    bc74739271fc7b914f645523b1da0f4e1154429c65fbac21977fe76eb937;FRAGMENT COUNT = 20;";

#[test]
fn files_are_compared_with_each_list() {
    for (list, shown) in [
        (".treeinfo", "3 files of .treeinfo"),
        ("md5sum.txt", "3 files of md5sum.txt"),
        ("CHECKSUMS", "3 files of CHECKSUMS"),
    ] {
        let mut tree = listed(list, "");
        assert_eq!(verdict(&tree), (Verdict::Good { bytes: 800_000 }, shown.to_owned()));
        for place in [100_000, 299_999, 900_000, 1_199_999] {
            let mut bytes = tree.source.as_ref().clone();
            bytes[place] ^= 1;
            tree.source = Arc::new(bytes);
            let damage = Damage::File { path: "initrd.img".to_owned(), list };
            assert_eq!(verdict(&tree).0, Verdict::Damaged(damage), "{place}");
            tree = listed(list, "");
        }
    }
}

#[test]
fn the_implanted_checksum_makes_lists_needless_but_not_treeinfo() {
    let mut tree = listed(".treeinfo", GOOD);
    tree.texts.push(("md5sum.txt", format!("{}  vmlinuz\n", "0".repeat(32))));
    let (good, basis) = verdict(&tree);
    assert_eq!(good, Verdict::Good { bytes: 800_000 + (750 - 15) * 2048 });
    assert_eq!(basis, "implanted md5, 3 files of .treeinfo");
    let mut bytes = tree.source.as_ref().clone();
    bytes[1_300_000] ^= 1;
    tree.source = Arc::new(bytes);
    let Verdict::Damaged(Damage::Within(range)) = verdict(&tree).0 else { panic!("not found") };
    assert!(range.contains(&1_300_000), "{range:?}");
}

#[test]
fn nothing_to_compare_is_no_verdict() {
    assert_eq!(verdict(&tree("")), (Verdict::NoChecksum, String::new()));
    let mut elsewhere = tree("");
    elsewhere
        .texts
        .push((".treeinfo", format!("[checksums]\nimages/boot.iso = sha256:{}\n", "0".repeat(64))));
    assert_eq!(verdict(&elsewhere).0, Verdict::NoChecksum);
}

#[test]
fn an_image_without_its_end_lacks_what_the_checksum_covers() {
    let mut tree = tree(GOOD);
    let mut bytes = tree.source.as_ref().clone();
    bytes.truncate(735 * 2048 - 5);
    tree.source = Arc::new(bytes);
    assert_eq!(verdict(&tree).0, Verdict::Damaged(Damage::CutShort(5)));
}
