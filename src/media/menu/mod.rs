//! The menu that an image has for who boots from the medium itself: what it offers, with paths made paths of the tree.
//!
//! Foreign text in four languages. Each reader takes what it understands and passes over the rest; how many files, lines
//! and entries are read is limited, and so is how deep files include one another. Never panics on any input: see
//! `tests/fuzz/checks/menu_*.rs`.

mod grub;
mod grub_words;
mod isolinux;
mod loader_entries;
mod rewrite;
#[cfg(test)]
mod tests;

pub use rewrite::{Rewritten, rewrite};

use super::entry::Menu;
use super::paths;
use crate::image::FileTree;

/// Longest file that is read, in bytes; Debian's, with all its languages, have some 10 KiB.
const MAX_FILE: u64 = 256 << 10;

/// Most files that are read for one menu: Debian's have 20.
const MAX_FILES: usize = 64;

/// Most entries that are kept.
const MAX_ITEMS: usize = 100;

/// How deep files may include one another.
const MAX_DEPTH: usize = 8;

/// Longest word or line that is kept, in characters; the kernel takes 2,048 of a command line.
const MAX_TEXT: usize = 4096;

/// An image's own menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnMenu {
    /// What is around the entries. [`Menu::default`] is the [`Item::label`] here.
    pub menu: Menu,
    /// What it offers, in its order.
    pub items: Vec<Item>,
}

/// One entry of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The name to type, or its number.
    pub label: String,
    /// What a person reads.
    pub title: String,
    /// What it starts.
    pub action: Action,
}

/// What an entry starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// A program that makes no sense elsewhere, or nothing.
    #[default]
    Other,
    /// The machine's own disk.
    Local,
    /// A Linux kernel, or a program that looks like one.
    Kernel {
        /// The kernel, as a path of the tree.
        kernel: String,
        /// The initial ramdisks, as paths of the tree.
        initrds: Vec<String>,
        /// The arguments, a word each, as they are.
        arguments: Vec<String>,
    },
}

/// Where files of ISOLINUX and its sisters are, the likelier first (syslinux `doc/isolinux.txt`).
const ISOLINUX: [&str; 11] = [
    "isolinux/isolinux.cfg",
    "boot/isolinux/isolinux.cfg",
    "isolinux.cfg",
    "syslinux/isolinux.cfg",
    "syslinux/syslinux.cfg",
    "boot/syslinux/isolinux.cfg",
    "boot/syslinux/syslinux.cfg",
    "boot/x86_64/loader/isolinux.cfg",
    "boot/i386/loader/isolinux.cfg",
    "syslinux.cfg",
    "isolinux/syslinux.cfg",
];

/// Where those of GRUB are.
const GRUB: [&str; 5] = [
    "boot/grub/grub.cfg",
    "boot/grub2/grub.cfg",
    "EFI/BOOT/grub.cfg",
    "boot/grub/loopback.cfg",
    "boot/grub/x86_64-efi/grub.cfg",
];

/// Reads the image's own menu: the first that offers a kernel, of ISOLINUX, GRUB and systemd-boot in this order; without
/// one, that of ISOLINUX for its screens. Kernels and ramdisks that are not on the image are left out.
pub fn read(tree: &dyn FileTree) -> Option<OwnMenu> {
    let mut screens = None;
    for path in ISOLINUX {
        let Some(path) = found(tree, path) else { continue };
        let menu = checked(isolinux::read(tree, &path), tree);
        if has_kernel(&menu) {
            return Some(menu);
        }
        screens.get_or_insert(menu);
    }
    for path in GRUB {
        let Some(path) = found(tree, path) else { continue };
        let menu = checked(grub::read(tree, &path), tree);
        if has_kernel(&menu) {
            return Some(menu);
        }
    }
    let entries = loader_entries::read(tree).map(|menu| checked(menu, tree)).filter(has_kernel);
    entries.or(screens)
}

fn found(tree: &dyn FileTree, path: &str) -> Option<String> {
    paths::spelled(tree, path).filter(|path| paths::is_file(tree, path))
}

fn has_kernel(menu: &OwnMenu) -> bool {
    menu.items.iter().any(|item| matches!(item.action, Action::Kernel { .. }))
}

/// The menu with what is on the image only, each path as the image spells it.
fn checked(mut menu: OwnMenu, tree: &dyn FileTree) -> OwnMenu {
    let on_image = |path: &String| found(tree, path);
    for item in &mut menu.items {
        let Action::Kernel { kernel, initrds, .. } = &mut item.action else { continue };
        let spelled: Option<Vec<String>> = initrds.iter().map(on_image).collect();
        match (on_image(kernel), spelled) {
            (Some(found), Some(spelled)) => (*kernel, *initrds) = (found, spelled),
            _ => item.action = Action::Other,
        }
    }
    menu.items.retain(|item| item.action != Action::Other);
    let around = &mut menu.menu;
    around.display = around.display.as_ref().and_then(on_image);
    around.screens = around.screens.iter().filter_map(|(key, path)| Some((*key, on_image(path)?))).collect();
    let has = |label: &String| menu.items.iter().any(|item| item.label == *label);
    around.default = around.default.take().filter(has);
    menu
}

/// `path` as a file in `directory` spells it, made a path of the tree; `None` when it is none. A device before it, such as
/// `(cd0)`, is taken for the medium.
fn absolute(directory: &str, path: &str) -> Option<String> {
    let path = path.strip_prefix("::").unwrap_or(path);
    let path = match path.strip_prefix('(') {
        Some(rest) => rest.split_once(')').map(|(_, path)| path)?,
        None => path,
    };
    let start = if path.starts_with('/') { "" } else { directory };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    (!path.is_empty() && path.len() <= MAX_TEXT && !path.contains(char::is_control)).then_some(path)
}

/// The text of a configuration; empty when there is none.
fn text(tree: &dyn FileTree, path: &str) -> String {
    let bytes = tree.file(path.as_bytes()).and_then(|file| file.data.read_all(MAX_FILE).ok());
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// What may be shown of a text: without control characters, not too long.
fn clean(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).take(MAX_TEXT).collect();
    text.trim().to_owned()
}

/// The directory that a file is in.
fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// The words of a kernel command line. Blanks between double quotes do not end one; the quotes go.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_quoted) = (String::new(), false);
    for letter in line.chars().take(MAX_TEXT) {
        match letter {
            '"' => is_quoted = !is_quoted,
            letter if letter.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            letter if letter.is_control() => {}
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}
