//! Several trees as one: the discs of a set, or a folder laid over an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Entry, FileTree, Node};

/// Trees one above another. What stands in several comes from the first; directories have the names of all.
pub struct UnionTree {
    layers: Vec<Arc<dyn FileTree>>,
}

impl UnionTree {
    /// The union of `layers`, the uppermost first.
    pub fn new(layers: Vec<Arc<dyn FileTree>>) -> Self {
        Self { layers }
    }

    /// The layers that can be seen at `path`, from the first that has it on: one below a file is hidden by it, and one with
    /// a file below a directory is hidden too.
    fn visible<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = &'a Arc<dyn FileTree>> {
        self.layers.iter().filter(move |layer| !self.is_hidden(layer, path))
    }

    /// Whether a file of a layer above stands where `layer` would have a directory on the way to `path`.
    fn is_hidden(&self, layer: &Arc<dyn FileTree>, path: &[u8]) -> bool {
        let above = self.layers.iter().take_while(|it| !Arc::ptr_eq(it, layer));
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut parents = slashes.filter_map(|at| path.get(..at));
        let above: Vec<_> = above.collect();
        !above.is_empty()
            && parents.any(|parent| {
                let first = above.iter().find_map(|layer| layer.find(parent));
                matches!(first, Some(Node::File(_)))
            })
    }
}

impl FileTree for UnionTree {
    fn find(&self, path: &[u8]) -> Option<Node> {
        self.visible(path).find_map(|layer| layer.find(path))
    }

    fn find_any_case(&self, path: &[u8]) -> Option<Node> {
        self.find(path).or_else(|| self.visible(path).find_map(|layer| layer.find_any_case(path)))
    }

    fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
        let mut names: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
        let mut is_directory = false;
        for layer in self.visible(path) {
            match layer.find(path) {
                None => continue,
                Some(Node::Directory) => is_directory = true,
                // What lies below it is hidden.
                Some(Node::File(_)) => break,
            }
            for entry in layer.list(path).unwrap_or_default() {
                names.entry(entry.name.clone()).or_insert(entry);
            }
        }
        is_directory.then(|| names.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::image::testing::Paths;

    fn text(tree: &UnionTree, path: &str) -> Option<String> {
        let file = tree.file(path.as_bytes())?;
        Some(String::from_utf8(file.data.read_all(100).unwrap()).unwrap())
    }

    fn names(tree: &UnionTree, path: &str) -> Option<String> {
        let names = tree.list(path.as_bytes())?.into_iter().map(|it| String::from_utf8(it.name).unwrap());
        Some(names.collect::<Vec<_>>().join(" "))
    }

    fn tree(layers: &[&[(&str, &str)]]) -> UnionTree {
        let layers = layers.iter().map(|files| Arc::new(Paths::with_texts(files)) as Arc<dyn FileTree>);
        UnionTree::new(layers.collect())
    }

    #[test]
    fn the_first_disc_wins_and_directories_are_merged() {
        let tree = tree(&[
            &[("Packages/a.rpm", "1"), ("Packages/b.rpm", "1"), (".discinfo", "1")],
            &[("Packages/b.rpm", "2"), ("Packages/c.rpm", "2"), (".discinfo", "2"), ("repodata/x", "2")],
        ]);
        assert_eq!(names(&tree, "Packages").unwrap(), "a.rpm b.rpm c.rpm");
        assert_eq!(names(&tree, "").unwrap(), ".discinfo Packages repodata");
        for (path, expected) in [
            ("Packages/a.rpm", Some("1")),
            ("Packages/b.rpm", Some("1")),
            ("Packages/c.rpm", Some("2")),
            (".discinfo", Some("1")),
            ("Packages", None),
            ("Packages/d.rpm", None),
        ] {
            assert_eq!(text(&tree, path).as_deref(), expected, "{path}");
        }
        assert!(matches!(tree.find(b"Packages"), Some(Node::Directory)));
        assert!(matches!(tree.find_any_case(b"packages/C.RPM"), Some(Node::File(_))));
        assert_eq!(names(&tree, "nowhere"), None);
    }

    #[test]
    fn an_exact_name_below_counts_more_than_another_case_above() {
        let tree = tree(&[&[("Packages/A.rpm", "upper")], &[("Packages/a.rpm", "lower")]]);
        let Some(Node::File(file)) = tree.find_any_case(b"Packages/a.rpm") else { panic!("a file") };
        assert_eq!(file.data.read_all(10).unwrap(), b"lower");
    }

    #[test]
    fn a_file_hides_the_directory_below_it_and_a_directory_the_file() {
        let tree = tree(&[&[("a", "file"), ("b/x", "1")], &[("a/x", "hidden"), ("b", "hidden")]]);
        assert_eq!(text(&tree, "a").as_deref(), Some("file"));
        assert_eq!(text(&tree, "a/x"), None);
        assert_eq!(names(&tree, "a"), None);
        assert_eq!(text(&tree, "b"), None);
        assert_eq!(names(&tree, "b").unwrap(), "x");
    }
}
