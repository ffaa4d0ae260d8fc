//! Symbolic links, resolved inside the tree once and for all.
//!
//! `/` is the root of the image and `..` of the root is the root, as in a `chroot`; so no link leaves the tree. What
//! leads nowhere, or in a circle, is left out.

use super::error::{Problem, Warnings};
use super::index::{Id, Index, Kind, ROOT};
use super::limits;

/// Resolves all links, whose targets are in `targets`.
pub(super) fn resolve(index: &mut Index, targets: &[Vec<u8>], warnings: &mut Warnings) {
    let mut steps = limits::LINK_STEPS;
    let count = if targets.is_empty() { 0 } else { u32::try_from(index.nodes.len()).unwrap_or(u32::MAX) };
    for id in 0..count {
        if let Some(Kind::Unresolved { link }) = index.node(id).map(|node| node.kind) {
            let target = follow(index, targets, id, link, &mut steps);
            index.set(id, target.map_or(Kind::Absent, |target| Kind::Link { target }));
        }
    }
    if steps == 0 {
        warnings.add(Problem::Links, Vec::new);
    }
}

/// The file or directory a link leads to in the end. Links on the way that are not resolved yet are put in front of
/// what is left of the path, as the kernel does it.
fn follow(index: &Index, targets: &[Vec<u8>], id: Id, link: u32, steps: &mut usize) -> Option<Id> {
    let mut at = index.node(id)?.parent;
    // What is left of the path, that of the innermost link last.
    let mut paths = Vec::new();
    let mut hops = limits::HOPS;
    enter(targets, link, &mut at, &mut paths)?;
    while let Some(path) = paths.pop() {
        let slash = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (name, left) = path.split_at_checked(slash)?;
        if let Some(left) = left.get(1..).filter(|left| !left.is_empty()) {
            paths.push(left);
        }
        // What is compared is the name, with all names on the way to it.
        *steps = steps.saturating_sub((name.len() / limits::LINK_STEP).saturating_add(1));
        if *steps == 0 {
            return None;
        }
        let Kind::Directory { .. } = index.node(at)?.kind else { return None };
        at = match name {
            b"" | b"." => at,
            b".." => index.node(at)?.parent,
            name => {
                let child = index.child(at, name)?;
                match index.node(child)?.kind {
                    Kind::Unresolved { link } => {
                        hops = hops.checked_sub(1)?;
                        enter(targets, link, &mut at, &mut paths)?;
                        at
                    }
                    _ => index.follow(child)?,
                }
            }
        };
    }
    Some(at)
}

/// Puts the target of a link in front of what is left; `None` when it is empty or too long.
fn enter<'a>(targets: &'a [Vec<u8>], link: u32, at: &mut Id, paths: &mut Vec<&'a [u8]>) -> Option<()> {
    let target = targets.get(link as usize).filter(|target| (1..=limits::LINK).contains(&target.len()))?;
    if target.starts_with(b"/") {
        *at = ROOT;
    }
    paths.push(target);
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `/file`, `/dir/sub/deep`, and links of these targets named `/dir/0`, `/dir/1` …
    fn tree(targets: &[&str]) -> Index {
        let mut index = Index::default();
        let file = Kind::File { block: 1, len: 1 };
        index.add(ROOT, b"", 0, Kind::Directory { first: 1, count: 2 }).unwrap();
        let dir = index.add(ROOT, b"dir", 0, Kind::Absent).unwrap();
        index.add(ROOT, b"file", 0, file).unwrap();
        let first = index.add(dir, b"sub", 0, Kind::Absent).unwrap();
        for link in 0..u32::try_from(targets.len()).unwrap() {
            index.add(dir, link.to_string().as_bytes(), 0, Kind::Unresolved { link }).unwrap();
        }
        let count = index.close(first, &mut |_, _| {});
        index.set(dir, Kind::Directory { first, count });
        let sub = index.child(dir, b"sub").unwrap();
        let deep = index.add(sub, b"deep", 0, file).unwrap();
        index.set(sub, Kind::Directory { first: deep, count: 1 });
        let targets: Vec<Vec<u8>> = targets.iter().map(|target| target.as_bytes().to_vec()).collect();
        resolve(&mut index, &targets, &mut Warnings::default());
        index
    }

    /// Where `/dir/0` leads to.
    fn leads_to(targets: &[&str]) -> Option<String> {
        let index = tree(targets);
        let dir = index.child(ROOT, b"dir").unwrap();
        let target = index.follow(index.child(dir, b"0").unwrap())?;
        Some(String::from_utf8(index.path(target)).unwrap())
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let cases: [(&str, &[&str], Option<&str>); 17] = [
            ("a neighbour", &["sub/deep"], Some("dir/sub/deep")),
            ("a directory", &["sub"], Some("dir/sub")),
            ("up", &["../file"], Some("file")),
            ("up and down", &[".././dir//sub/../sub/deep"], Some("dir/sub/deep")),
            ("absolute", &["/file"], Some("file")),
            ("the root", &["/"], Some("")),
            ("itself through its directory", &["."], Some("dir")),
            ("above the root is the root", &["../../../../file"], Some("file")),
            ("dangling", &["nothing"], None),
            ("through a file", &["../file/x"], None),
            ("a file as a directory", &["../file/.."], None),
            ("a link", &["1", "2", "sub/deep"], Some("dir/sub/deep")),
            ("through a link", &["1/deep", "2", "sub"], Some("dir/sub/deep")),
            ("through an absolute link, and on", &["1/../../file", "/dir/sub"], Some("file")),
            ("a circle of one", &["0"], None),
            ("a circle of two", &["1", "0"], None),
            ("empty", &[""], None),
        ];
        for (name, targets, expected) in cases {
            assert_eq!(leads_to(targets).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn links_that_lead_to_many_links_end_at_the_limit() {
        // Each link goes through the next one twice: 2^60 steps without a limit.
        let bomb: Vec<String> =
            (1..61).map(|next| format!("{next}/../{next}")).chain(["sub".to_owned()]).collect();
        let bomb: Vec<&str> = bomb.iter().map(String::as_str).collect();
        assert_eq!(leads_to(&bomb), None);
    }
}
