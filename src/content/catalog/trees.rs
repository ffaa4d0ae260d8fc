//! The trees of the images: `t/<id>/…`, and with one image the root too.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::answer::Circumstances;
use crate::boot::Site;
use crate::content::{Body, Content, Found, Role};
use crate::image::{Entry, FileData, FileTree, Node};
use crate::machine::ImageId;

/// The files of one image.
pub struct Tree {
    /// Where they are.
    pub files: Arc<dyn FileTree>,
    /// The image itself, as one file; of a set the first disc.
    pub whole: Option<FileData>,
    /// Path of the installer's runtime image.
    pub stage2: Option<String>,
    /// Programs that a first program loads, by base name, as paths on the image: some ask for them at the root whatever
    /// directory they came from (shim 15.5 and later when only option 67 was set).
    pub second_stages: BTreeMap<String, String>,
    /// What kickstarts for it must know; nothing where it is not installed by one.
    pub circumstances: Option<Circumstances>,
}

/// A tree with what the menus name in it.
struct Shelf {
    id: ImageId,
    tree: Tree,
    kernels: Vec<String>,
    initrds: Vec<String>,
    uefi_programs: Vec<String>,
    /// Where the text files of its menu are, which name pictures beside them.
    menu_directory: Option<String>,
}

/// The trees of all images.
pub(super) struct Trees {
    shelves: Vec<Shelf>,
}

impl Trees {
    pub(super) fn new(trees: Vec<Tree>, site: &Site) -> Self {
        let shelf = |(tree, image): (Tree, &crate::boot::site::Image)| {
            let menu_path = image.menu.as_ref().map(|menu| menu.path.as_str());
            Shelf {
                id: image.id.clone(),
                tree,
                kernels: image.entries.iter().map(|entry| entry.kernel.clone()).collect(),
                initrds: image.entries.iter().flat_map(|entry| entry.initrds.clone()).collect(),
                uefi_programs: image.uefi_programs.clone(),
                menu_directory: menu_path.and_then(|path| path.rsplit_once('/')).map(|(it, _)| it.to_owned()),
            }
        };
        Self { shelves: trees.into_iter().zip(&site.images).map(shelf).collect() }
    }

    /// The image that `name` is a first program of, where there are several.
    pub(super) fn first_program(&self, name: &[u8]) -> Option<&ImageId> {
        if self.shelves.len() == 1 || !name.ends_with(b".efi") && !name.ends_with(b".EFI") {
            return None;
        }
        let (shelf, path) = self.split(name)?;
        let is_first = |program: &String| program.as_bytes().eq_ignore_ascii_case(path);
        shelf.uefi_programs.iter().any(is_first).then_some(&shelf.id)
    }

    /// What stands at `name`. `loader` tells the image whose loader the machine runs that asks.
    pub(super) fn find(&self, name: &[u8], loader: impl Fn() -> Option<ImageId>) -> Found {
        if let Some((shelf, path)) = self.split(name)
            && let Some(found) = shelf.find(path)
        {
            return found;
        }
        if let Some(whole) = self.whole(name) {
            return whole;
        }
        match self.shelves.as_slice() {
            [shelf] => match name {
                b"t" => self.ids(),
                name => shelf.find(name).or_else(|| shelf.second_stage(name)).unwrap_or(Found::Missing),
            },
            _ => match name {
                b"" => Found::Directory(vec![directory(b"t")]),
                b"t" => self.ids(),
                name => self.second_stage(name, loader()).unwrap_or(Found::Missing),
            },
        }
    }

    fn ids(&self) -> Found {
        let mut ids: Vec<Entry> =
            self.shelves.iter().map(|shelf| directory(shelf.id.as_str().as_bytes())).collect();
        crate::order::by(&mut ids, |left, right| left.name.cmp(&right.name));
        Found::Directory(ids)
    }

    /// The image that `name` is as a whole: `i/<id>.iso`. Casper takes no other ending for one (`scripts/casper-helpers`).
    pub(super) fn whole(&self, name: &[u8]) -> Option<Found> {
        let id = name.strip_prefix(b"i/")?.strip_suffix(b".iso")?;
        let shelf = self.shelves.iter().find(|shelf| shelf.id.as_str().as_bytes() == id)?;
        let body = Body::Image(shelf.tree.whole.clone()?);
        Some(Found::Content(Content { role: Role::Stage2, modified: 0, body }))
    }

    /// The image and the path on it that `name` is of.
    fn split<'a>(&self, name: &'a [u8]) -> Option<(&Shelf, &'a [u8])> {
        let rest = name.strip_prefix(b"t/")?;
        let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let (id, path) = rest.split_at(end);
        let shelf = self.shelves.iter().find(|shelf| shelf.id.as_str().as_bytes() == id)?;
        Some((shelf, path.strip_prefix(b"/").unwrap_or_default()))
    }

    /// A program that the machine's loader looks for where it is not: that of the image it is of, which is the one it took
    /// last, or the one in whose directory it looks.
    fn second_stage(&self, name: &[u8], loader: Option<ImageId>) -> Option<Found> {
        let taken = self.shelves.iter().find(|shelf| Some(&shelf.id) == loader.as_ref());
        let named = self.split(name).map(|(shelf, _)| shelf);
        let shelves = taken.into_iter().chain(named).chain(&self.shelves);
        shelves.into_iter().find_map(|shelf| shelf.second_stage(name))
    }
}

impl Shelf {
    fn find(&self, path: &[u8]) -> Option<Found> {
        let files = &self.tree.files;
        Some(match files.find(path).or_else(|| files.find_any_case(path))? {
            Node::File(file) => Found::Content(Content {
                role: self.role(path),
                modified: file.modified,
                body: Body::Image(file.data),
            }),
            Node::Directory => files.list(path).map_or(Found::Missing, Found::Directory),
        })
    }

    /// What a loader asks for in another directory than the image has it in: a second stage, a picture of a menu.
    fn second_stage(&self, name: &[u8]) -> Option<Found> {
        let base = std::str::from_utf8(name.rsplit(|byte| *byte == b'/').next()?).ok()?.to_ascii_lowercase();
        if let Some(path) = self.tree.second_stages.get(&base) {
            return self.find(path.as_bytes());
        }
        // isolinux's text files name pictures as they lie on the medium, PXELINUX asks for them at its own root.
        let is_picture =
            [".lss", ".png", ".jpg"].iter().any(|end| base.ends_with(end)) && !name.contains(&b'/');
        let directory = self.menu_directory.as_ref().filter(|_| is_picture)?;
        self.find(format!("{directory}/{base}").as_bytes())
    }

    /// What the image's file `path` is in the boot of a machine.
    fn role(&self, path: &[u8]) -> Role {
        let is = |other: &String| other.as_bytes().eq_ignore_ascii_case(path);
        let ends = |end: &[u8]| {
            path.len()
                .checked_sub(end.len())
                .and_then(|at| path.get(at..))
                .is_some_and(|it| it.eq_ignore_ascii_case(end))
        };
        let is_repodata = || path.windows(9).any(|window| window.eq_ignore_ascii_case(b"repodata/"));
        let whole = |name: &[u8]| path.eq_ignore_ascii_case(name);
        if ends(b".rpm") {
            Role::Package
        } else if self.kernels.iter().any(is) {
            Role::Kernel
        } else if self.initrds.iter().any(is) {
            Role::Initrd
        } else if self.tree.stage2.as_ref().is_some_and(is) {
            Role::Stage2
        } else if ends(b".efi") {
            Role::Loader
        } else if whole(b".treeinfo") || whole(b"treeinfo") || whole(b".discinfo") || is_repodata() {
            Role::Metadata
        } else {
            Role::Other
        }
    }
}

fn directory(name: &[u8]) -> Entry {
    Entry { name: name.to_vec(), is_directory: true, len: 0, modified: 0 }
}
