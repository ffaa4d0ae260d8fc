//! `isolinux.cfg` and its sisters (syslinux `doc/syslinux.txt`, `doc/menu.txt`).

use std::collections::BTreeSet;

use super::{
    Action, Item, MAX_DEPTH, MAX_FILES, MAX_ITEMS, OwnMenu, absolute, clean, directory_of, text, words,
};
use crate::image::FileTree;
use crate::order;

/// Reads the file at `path` and what it includes.
pub(super) fn read(tree: &dyn FileTree, path: &str) -> OwnMenu {
    let mut reader = Reader {
        tree,
        directory: directory_of(path).to_owned(),
        menu: OwnMenu::default(),
        label: None,
        append: String::new(),
        default: None,
        files: BTreeSet::new(),
        is_help: false,
    };
    reader.menu.menu.path = path.to_owned();
    reader.file(path, 0);
    reader.finish()
}

/// A label that is being read.
#[derive(Default)]
struct Label {
    name: String,
    title: Option<String>,
    /// The rest of its `KERNEL` line.
    kernel: Option<String>,
    append: Option<String>,
    initrd: Option<String>,
    is_local: bool,
    is_hidden: bool,
}

struct Reader<'a> {
    tree: &'a dyn FileTree,
    /// What relative names are relative to: the directory of the first file, for every other too.
    directory: String,
    menu: OwnMenu,
    label: Option<Label>,
    /// `APPEND` before the first label, for those that have none of their own.
    append: String,
    default: Option<String>,
    /// The files that were read: none is read twice.
    files: BTreeSet<String>,
    is_help: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        if depth > MAX_DEPTH || self.files.len() >= MAX_FILES || !self.files.insert(path.to_owned()) {
            return;
        }
        for line in text(self.tree, path).lines() {
            if self.menu.items.len() >= MAX_ITEMS {
                return;
            }
            self.line(line.trim(), depth);
        }
    }

    fn include(&mut self, name: &str, depth: usize) {
        let name = name.split_whitespace().next().unwrap_or_default();
        let Some(path) = absolute(&self.directory, name) else { return };
        let Some(path) = super::found(self.tree, &path) else { return };
        self.file(&path, depth.saturating_add(1));
    }

    fn line(&mut self, line: &str, depth: usize) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (word, rest) = (word.to_ascii_lowercase(), rest.trim());
        if self.is_help {
            self.is_help = word != "endtext";
            return;
        }
        let around = &mut self.menu.menu;
        match word.as_str() {
            "include" => self.include(rest, depth),
            "menu" => self.menu_line(rest, depth),
            "label" => {
                self.end_label(depth);
                self.label = Some(Label { name: clean(rest), ..Label::default() });
            }
            "default" | "ontimeout" => self.default = Some(clean(rest)),
            "timeout" => around.timeout = rest.parse().ok().filter(|timeout| *timeout > 0),
            "display" => around.display = absolute(&self.directory, rest),
            "text" => self.is_help = true,
            "append" => match &mut self.label {
                Some(label) => label.append = Some(if rest == "-" { String::new() } else { rest.to_owned() }),
                None => self.append = rest.to_owned(),
            },
            key if is_function_key(key) => {
                let number = key
                    .get(1..)
                    .and_then(|number| number.parse().ok())
                    .map(|n: u8| if n == 0 { 10 } else { n });
                let file = rest.split_whitespace().next().unwrap_or_default();
                if let (Some(number), Some(path)) = (number, absolute(&self.directory, file)) {
                    around.screens.retain(|(other, _)| *other != number);
                    around.screens.push((number, path));
                }
            }
            _ => self.label_line(&word, rest),
        }
    }

    /// A line that belongs to a label.
    fn label_line(&mut self, word: &str, rest: &str) {
        let Some(label) = &mut self.label else { return };
        match word {
            "kernel" | "linux" => label.kernel = Some(rest.to_owned()),
            // Modules, boot sectors and raw images.
            "com32" | "config" | "boot" | "bss" | "pxe" | "fdimage" | "comboot" => {
                label.kernel = Some(format!("{rest}.c32"))
            }
            "initrd" => label.initrd = Some(rest.to_owned()),
            "localboot" => label.is_local = true,
            _ => {}
        }
    }

    /// What comes after `MENU`.
    fn menu_line(&mut self, line: &str, depth: usize) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match (word.to_ascii_lowercase().as_str(), &mut self.label) {
            ("include", _) => self.include(rest, depth),
            ("title", _) => {
                self.end_label(depth);
                let title = &mut self.menu.menu.title;
                *title = title.take().or_else(|| Some(clean(rest)));
            }
            ("begin" | "end", _) => self.end_label(depth),
            // A caret marks the key that picks it.
            ("label", Some(label)) => label.title = Some(clean(&rest.replacen('^', "", 1))),
            ("default", Some(label)) => self.default = Some(label.name.clone()),
            ("hide" | "disable", Some(label)) => label.is_hidden = true,
            _ => {}
        }
    }

    /// Ends the label that is being read, and follows it when it leads to another file.
    fn end_label(&mut self, depth: usize) {
        let Some(label) = self.label.take() else { return };
        let append = label.append.as_deref().unwrap_or(&self.append).to_owned();
        // Without a KERNEL line the label is the kernel.
        let line = label.kernel.clone().unwrap_or_else(|| label.name.clone());
        let (kernel, more) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        if kernel.to_ascii_lowercase().ends_with("menu.c32") && !append.is_empty() {
            let (default, timeout) = (self.default.clone(), self.menu.menu.timeout);
            self.include(&append, depth);
            (self.default, self.menu.menu.timeout) = (default, timeout);
            return;
        }
        let action = if label.is_local {
            Action::Local
        } else {
            self.kernel(kernel, &[more, &append].join(" "), label.initrd.as_deref()).unwrap_or_default()
        };
        if label.is_hidden || label.name.is_empty() || action == Action::Other {
            return;
        }
        let title = label.title.filter(|title| !title.is_empty()).unwrap_or_else(|| label.name.clone());
        self.menu.items.push(Item { label: label.name, title, action });
    }

    fn kernel(&self, kernel: &str, append: &str, initrd: Option<&str>) -> Option<Action> {
        let lower = kernel.to_ascii_lowercase();
        // Modules, boot sectors and programs of PXE are no kernels.
        if [".c32", ".bs", ".bss", ".0", ".com", ".cbt", ".img"].iter().any(|end| lower.ends_with(end)) {
            return None;
        }
        let kernel = absolute(&self.directory, kernel)?;
        let mut names: Vec<String> =
            initrd.into_iter().flat_map(|it| it.split(',')).map(str::to_owned).collect();
        let mut arguments = Vec::new();
        for word in words(append) {
            match word.strip_prefix("initrd=") {
                // The last one counts (syslinux `com32/elflink/ldlinux/kernel.c`).
                Some(list) => names = list.split(',').map(str::to_owned).collect(),
                None => arguments.push(word),
            }
        }
        let initrds =
            names.iter().map(|name| absolute(&self.directory, name.trim())).collect::<Option<_>>()?;
        Some(Action::Kernel { kernel, initrds, arguments })
    }

    fn finish(mut self) -> OwnMenu {
        // The last label may lead to a file that has more.
        while self.label.is_some() {
            self.end_label(0);
        }
        let mut default = self.default.take();
        if default.as_ref().is_none_or(|name| name.to_ascii_lowercase().ends_with(".c32")) {
            default = None;
        }
        self.menu.menu.default = default;
        order::by(&mut self.menu.menu.screens, Ord::cmp);
        self.menu
    }
}

/// `f1` to `f9`, `f0` and `f10` for the tenth, `f11`, `f12`.
fn is_function_key(word: &str) -> bool {
    matches!(word.as_bytes(), [b'f', b'0'..=b'9'] | [b'f', b'1', b'0'..=b'2'])
}
