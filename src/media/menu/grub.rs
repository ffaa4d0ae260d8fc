//! `grub.cfg` (GRUB manual §6.1 "Simple configuration handling", §16 "Commands").
//!
//! It is a program. This reader runs the part that makes menus: `set`, `menuentry`, `submenu`, `source`, `configfile`.
//! Conditions are not decided: of an `if` both branches are read, bodies of functions neither.

use std::collections::BTreeSet;

use super::grub_words::{Lexer, Stop, Variables};
use super::{
    Action, Item, MAX_DEPTH, MAX_FILES, MAX_ITEMS, OwnMenu, absolute, clean, directory_of, found, text,
};
use crate::image::FileTree;

/// Reads the file at `path` and what it includes.
pub(super) fn read(tree: &dyn FileTree, path: &str) -> OwnMenu {
    let mut reader = Reader {
        tree,
        items: Vec::new(),
        tops: Vec::new(),
        variables: Variables::new(),
        files: BTreeSet::new(),
    };
    reader.variables.set("prefix", &format!("/{}", directory_of(path)));
    reader.file(path, 0);
    let mut menu = OwnMenu { items: reader.items, ..OwnMenu::default() };
    menu.menu.path = path.to_owned();
    let seconds: Option<u32> = reader.variables.get("timeout").parse().ok();
    menu.menu.timeout = seconds.and_then(|it| it.checked_mul(10)).filter(|it| *it > 0);
    menu.menu.default = default(&menu.items, &reader.tops, reader.variables.get("default"));
    menu
}

/// What a brace opened.
enum Block {
    Entry(Entry),
    Submenu,
    /// A function, or anything else whose commands are not read.
    Other,
}

/// A `menuentry` that is being read.
#[derive(Default)]
struct Entry {
    title: String,
    id: Option<String>,
    kernel: Option<String>,
    initrds: Vec<String>,
    arguments: Vec<String>,
    is_local: bool,
    /// Whether a file that it names cannot be one of the image.
    is_broken: bool,
}

struct Reader<'a> {
    tree: &'a dyn FileTree,
    items: Vec<Item>,
    /// The labels of what stands in the first menu, entries and submenus: a default may be a number of these.
    tops: Vec<String>,
    variables: Variables,
    /// The files that were read: none is read twice.
    files: BTreeSet<String>,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        if depth > MAX_DEPTH || self.files.len() >= MAX_FILES || !self.files.insert(path.to_owned()) {
            return;
        }
        let text = text(self.tree, path);
        let mut lexer = Lexer::new(&text);
        let mut blocks: Vec<Block> = Vec::new();
        while let Some((words, stop)) = lexer.command(&mut self.variables) {
            if self.items.len() >= MAX_ITEMS {
                return;
            }
            match stop {
                Stop::End => self.command(&words, blocks.last_mut(), depth),
                Stop::Open => blocks.push(opened(&words, &blocks)),
                Stop::Close => {
                    self.command(&words, blocks.last_mut(), depth);
                    let closed = blocks.pop();
                    let is_top = depth == 0 && blocks.is_empty();
                    self.close(closed, is_top);
                }
            }
        }
    }

    fn include(&mut self, path: &str, depth: usize) {
        let path = absolute(directory_of(self.variables.get("prefix")), path)
            .and_then(|path| found(self.tree, &path));
        if let Some(path) = path {
            self.file(&path, depth.saturating_add(1));
        }
    }

    fn command(&mut self, words: &[String], block: Option<&mut Block>, depth: usize) {
        let words = without_keywords(words);
        let Some((name, rest)) = words.split_first() else { return };
        if matches!(block, Some(Block::Other)) {
            return;
        }
        let assignment = if name == "set" { rest.first() } else { Some(name) };
        if let Some((variable, value)) = assignment.and_then(|word| word.split_once('=')) {
            return self.variables.set(variable, value);
        }
        match (name.as_str(), block) {
            ("source" | "configfile" | "." | "normal", block) => {
                // An entry that leads to another file is a submenu.
                if let Some(Block::Entry(entry)) = block {
                    entry.is_broken = true;
                }
                if let Some(path) = rest.first() {
                    self.include(path, depth);
                }
            }
            ("linux" | "linuxefi" | "linux16", Some(Block::Entry(entry))) => entry.kernel(rest),
            ("initrd" | "initrdefi" | "initrd16", Some(Block::Entry(entry))) => entry.initrds(rest),
            ("exit" | "chainloader", Some(Block::Entry(entry))) => {
                entry.is_local |= name == "exit" || rest.last().is_some_and(|path| path.ends_with("+1"));
            }
            _ => {}
        }
    }

    fn close(&mut self, closed: Option<Block>, is_top: bool) {
        let number = self.items.len().saturating_add(1).to_string();
        let label = match closed {
            Some(Block::Entry(entry)) => {
                let label = entry.id.clone().filter(|id| !id.is_empty()).unwrap_or(number);
                if let Some(action) = entry.action() {
                    self.items.push(Item { label: label.clone(), title: entry.title, action });
                }
                label
            }
            Some(Block::Submenu) => String::new(),
            _ => return,
        };
        if is_top && self.tops.len() < MAX_ITEMS {
            self.tops.push(label);
        }
    }
}

/// What the brace after these words opens.
fn opened(words: &[String], blocks: &[Block]) -> Block {
    let words = without_keywords(words);
    let Some((name, rest)) = words.split_first() else { return Block::Other };
    if blocks.len() >= MAX_DEPTH || matches!(blocks.last(), Some(Block::Other | Block::Entry(_))) {
        return Block::Other;
    }
    match name.as_str() {
        "submenu" => Block::Submenu,
        "menuentry" => {
            let after = |option: &str| {
                let at = rest.iter().position(|word| word == option)?;
                rest.get(at.checked_add(1)?).cloned()
            };
            let id = rest.iter().find_map(|word| word.strip_prefix("--id=").map(str::to_owned));
            Block::Entry(Entry {
                title: clean(rest.first().map_or("", String::as_str)),
                id: id.or_else(|| after("--id")).map(|id| clean(&id)),
                ..Entry::default()
            })
        }
        _ => Block::Other,
    }
}

impl Entry {
    fn kernel(&mut self, words: &[String]) {
        let Some((kernel, arguments)) = words.split_first() else { return };
        self.kernel = absolute("", kernel);
        self.is_broken |= self.kernel.is_none();
        self.arguments = arguments.to_vec();
    }

    fn initrds(&mut self, words: &[String]) {
        let paths: Option<Vec<String>> = words.iter().map(|path| absolute("", path)).collect();
        self.is_broken |= paths.is_none();
        self.initrds = paths.unwrap_or_default();
    }

    fn action(&self) -> Option<Action> {
        if self.is_broken {
            return None;
        }
        match &self.kernel {
            Some(kernel) => Some(Action::Kernel {
                kernel: kernel.clone(),
                initrds: self.initrds.clone(),
                arguments: self.arguments.clone(),
            }),
            None => self.is_local.then_some(Action::Local),
        }
    }
}

/// The command without the words of the shell before it; none when a condition is all that it is.
fn without_keywords(words: &[String]) -> &[String] {
    let mut words = words;
    while let Some((first, rest)) = words.split_first() {
        match first.as_str() {
            "then" | "else" | "do" => words = rest,
            "if" | "elif" | "while" | "until" | "for" | "fi" | "done" => return &[],
            _ => break,
        }
    }
    words
}

/// The label of the default entry: it may be a number, an id or a title, each perhaps after a submenu's and `>`.
fn default(items: &[Item], tops: &[String], given: &str) -> Option<String> {
    let given = given.rsplit('>').next().unwrap_or_default();
    if let Ok(number) = given.parse::<usize>() {
        return tops.get(number).filter(|label| !label.is_empty()).cloned();
    }
    let fits = |item: &&Item| item.label == given || item.title == given;
    items.iter().find(fits).map(|item| item.label.clone())
}
