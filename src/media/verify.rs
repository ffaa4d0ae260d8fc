//! Whether an image is what its maker made: its own checksums, compared.
//!
//! Three places have them: the checksum implanted in the volume descriptor, which covers everything; `[checksums]` of
//! `.treeinfo`, for the files that boot; and lists such as Debian's `md5sum.txt`. Reading is not done here: a
//! [`Verification`] says which bytes it wants, and whoever reads gives them to it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use super::checksum::{self, Algorithm, Hasher, Sum};
use super::implanted::{self, Check, DESCRIPTOR, Implanted, Mismatch};
use super::paths;
use super::treeinfo::Treeinfo;
use crate::image::{FileData, FileTree, Node, ReadAt};
use crate::order;

/// Most bytes wanted at once.
pub const MAX_PIECE: usize = 256 << 10;

/// Lists of checksums at the root of an image: Debian and Ubuntu have the first, older Debians the second, openSUSE and SLE
/// the last.
const LISTS: [&str; 4] = ["md5sum.txt", "sha256sum.txt", "SHA256SUMS", "CHECKSUMS"];

/// How many times the image's length is read at most: a list can name one large file by a thousand links.
const MAX_READS: u64 = 4;

/// A file and what it has to hash to.
struct Listed {
    path: String,
    /// The file that has the sum.
    list: &'static str,
    sum: Sum,
    data: FileData,
}

/// What is being hashed.
enum Current {
    Nothing,
    File { listed: Listed, hasher: Box<Hasher>, at: u64 },
    Image(Box<Check>),
}

/// The check of an image against the checksums on it.
pub struct Verification {
    files: VecDeque<Listed>,
    image: Option<Implanted>,
    current: Current,
    /// Bytes of the image.
    len: u64,
    /// Bytes taken, and of how many.
    taken: u64,
    total: u64,
    basis: Vec<String>,
    damage: Option<Damage>,
}

/// What is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A file is not what a list says.
    File {
        /// Which.
        path: String,
        /// Where its sum stands.
        list: &'static str,
    },
    /// The implanted checksum does not agree; the bytes that are not what they were lie in this range.
    Within(Range<u64>),
    /// The implanted checksum does not agree, and does not tell where.
    Somewhere,
    /// The checksum covers so many bytes more than there are.
    CutShort(u64),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, list } => write!(f, "{path} is not what {list} says"),
            Self::Within(range) => write!(
                f,
                "bytes {} to {} are not what they were: the checksum implanted in the image does not agree",
                range.start,
                range.end.saturating_sub(1)
            ),
            Self::Somewhere => f.write_str("the checksum implanted in the image does not agree"),
            Self::CutShort(missing) => {
                write!(f, "the last {missing} bytes are missing: the implanted checksum covers them")
            }
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that has a checksum agrees with it.
    Good {
        /// Bytes that were compared.
        bytes: u64,
    },
    /// The image has no checksum that is known here.
    NoChecksum,
    /// It is damaged.
    Damaged(Damage),
}

impl Verification {
    /// What there is to compare on the image with these files and this source.
    pub fn new(tree: &dyn FileTree, source: &dyn ReadAt) -> Self {
        let mut descriptor = [0; 2048];
        let image = source.read_exact_at(&mut descriptor, DESCRIPTOR).ok();
        let image = image.and_then(|()| Implanted::parse(&descriptor));
        let mut basis: Vec<String> = Vec::new();
        let treeinfo = paths::read_text(tree, ".treeinfo").map(|bytes| Treeinfo::parse(&bytes));
        let mut files = treeinfo.map(|it| of_treeinfo(tree, &it)).unwrap_or_default();
        basis.extend(count(&files, ".treeinfo"));
        // What covers everything makes lists of everything needless.
        if let Some(image) = &image {
            basis.insert(0, format!("implanted {}", image.algorithm().name()));
        } else {
            for list in LISTS {
                let listed = of_list(tree, list);
                basis.extend(count(&listed, list));
                files.extend(listed);
            }
        }
        // In the order they lie on the medium: one sweep.
        order::by_key(&mut files, |listed| listed.data.extent_at(0).map_or(0, |extent| extent.offset));
        let room = source.len().saturating_mul(MAX_READS);
        let mut bytes = 0_u64;
        files.retain(|listed| {
            let with = bytes.saturating_add(listed.data.len());
            let fits = with <= room;
            bytes = if fits { with } else { bytes };
            fits
        });
        let total = image.as_ref().map_or(0, Implanted::covered).saturating_add(bytes);
        let mut new = Self {
            files: files.into(),
            image,
            current: Current::Nothing,
            len: source.len(),
            taken: 0,
            total,
            basis,
            damage: None,
        };
        new.proceed();
        new
    }

    /// What is compared with, as people read it; empty when there is nothing.
    pub fn basis(&self) -> String {
        self.basis.join(", ")
    }

    /// How many bytes are compared in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// What it wants next: a range of the image of at most [`MAX_PIECE`] bytes. `None` when the verdict is there.
    pub fn wants(&self) -> Option<Range<u64>> {
        if self.damage.is_some() {
            return None;
        }
        match &self.current {
            Current::Nothing => None,
            Current::File { listed, at, .. } => {
                let extent = listed.data.extent_at(*at)?;
                let end = extent.offset.saturating_add(extent.len.min(MAX_PIECE as u64));
                Some(extent.offset..end)
            }
            // As many pieces as go into one read: it is told which of them it takes.
            Current::Image(check) => {
                let piece = check.wants()?;
                let end = piece.start.saturating_add(MAX_PIECE as u64).min(self.image_end());
                Some(piece.start..end.max(piece.end))
            }
        }
    }

    /// Takes the bytes of the range it wants. They are changed on the way.
    pub fn take(&mut self, bytes: &mut [u8]) {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        match &mut self.current {
            Current::Nothing => {}
            Current::File { hasher, at, .. } => {
                hasher.update(bytes);
                *at = at.saturating_add(bytes.len() as u64);
            }
            Current::Image(check) => {
                for piece in bytes.chunks_mut(implanted::PIECE as usize) {
                    if let Err(mismatch) = check.take(piece) {
                        self.damage = Some(mismatch.into());
                        return;
                    }
                }
            }
        }
        self.proceed();
    }

    /// What it came to, or comes to if nothing more is read.
    pub fn verdict(&self) -> Verdict {
        match &self.damage {
            Some(damage) => Verdict::Damaged(damage.clone()),
            None if self.basis.is_empty() => Verdict::NoChecksum,
            None => Verdict::Good { bytes: self.taken },
        }
    }

    /// Ends what is complete, and begins what is next.
    fn proceed(&mut self) {
        while self.damage.is_none() {
            match std::mem::replace(&mut self.current, Current::Nothing) {
                Current::File { listed, hasher, at } if at >= listed.data.len() => {
                    if hasher.digits() != listed.sum.digits {
                        self.damage = Some(Damage::File { path: listed.path, list: listed.list });
                    }
                }
                Current::Image(check) if check.wants().is_none() => {
                    self.damage = check.finish().err().map(Damage::from);
                    return;
                }
                Current::Nothing => {
                    if let Some(listed) = self.files.pop_front() {
                        let hasher = Box::new(Hasher::new(listed.sum.algorithm));
                        self.current = Current::File { listed, hasher, at: 0 };
                    } else if let Some(image) = self.image.take() {
                        match image.covered().checked_sub(self.len) {
                            None | Some(0) => self.current = Current::Image(Box::new(Check::new(image))),
                            Some(missing) => self.damage = Some(Damage::CutShort(missing)),
                        }
                    } else {
                        return;
                    }
                }
                busy => {
                    self.current = busy;
                    return;
                }
            }
        }
    }

    /// Where the implanted checksum's part of the image ends.
    fn image_end(&self) -> u64 {
        match &self.current {
            Current::Image(check) => check.end(),
            _ => 0,
        }
    }
}

impl From<Mismatch> for Damage {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Within(range) => Self::Within(range),
            Mismatch::Somewhere => Self::Somewhere,
        }
    }
}

/// The files whose sums `.treeinfo` has, as far as they are on the image: it may be that of a larger tree.
fn of_treeinfo(tree: &dyn FileTree, treeinfo: &Treeinfo) -> Vec<Listed> {
    let sums = treeinfo.checksums().filter_map(|it| {
        let sum = Sum::new(Algorithm::by_name(it.algorithm)?, it.digits)?;
        listed(tree, it.path, ".treeinfo", sum)
    });
    sums.collect()
}

/// The files of a list at the root of the image, as far as they are on it.
fn of_list(tree: &dyn FileTree, list: &'static str) -> Vec<Listed> {
    let file = tree.file(list.as_bytes());
    let bytes = file.and_then(|file| file.data.read_all(checksum::MAX_LIST).ok()).unwrap_or_default();
    checksum::list(&bytes).into_iter().filter_map(|(path, sum)| listed(tree, path, list, sum)).collect()
}

fn listed(tree: &dyn FileTree, path: String, list: &'static str, sum: Sum) -> Option<Listed> {
    match tree.find(path.as_bytes())? {
        Node::File(file) => Some(Listed { path, list, sum, data: file.data }),
        Node::Directory => None,
    }
}

fn count(files: &[Listed], list: &str) -> Option<String> {
    match files.len() {
        0 => None,
        1 => Some(format!("1 file of {list}")),
        count => Some(format!("{count} files of {list}")),
    }
}

#[cfg(test)]
#[path = "tests/verify.rs"]
mod tests;
