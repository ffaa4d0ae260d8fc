//! The entries of an image: from the table for a known family, from the image's own menu for what else it has.

use std::iter;

use super::entry::{AnswerKind, Entry, EntryKind, Menu, literal, url_path};
use super::family::{Family, Support};
use super::menu::{Action, Item, OwnMenu, Rewritten, rewrite};
use super::paths;
use crate::image::FileTree;
use crate::order;

/// What every entry says of which nobody knows how it fares without its medium.
pub(super) const NOT_KNOWN: &str =
    "not known to install over the network: it is an entry of the image's own menu";

/// What more is to be said when nothing tells where the rest of the system would come from.
const NO_MEDIUM: &str = "; what it loads after its kernel and ramdisk, it may look for in a drive";

/// Where a known image's parts are.
pub(super) struct Parts<'a> {
    /// Its name, for titles.
    pub(super) name: &'a str,
    /// The kernel.
    pub(super) kernel: &'a str,
    /// The initial ramdisks, in order.
    pub(super) initrds: &'a [String],
    /// The installer's runtime image or the live system's root.
    pub(super) stage2: Option<&'a str>,
}

/// The entries of a known image: those of its family, those of its own menu that start the same kernel in another way or
/// are tools, and the disk.
pub(super) fn known(
    tree: &dyn FileTree,
    family: &Family,
    parts: &Parts<'_>,
    own: Option<&OwnMenu>,
) -> Vec<Entry> {
    let Parts { name, kernel, initrds, stage2 } = *parts;
    let template = |template: &str| match stage2 {
        Some(path) => template.replace("{stage2}", &url_path(path)),
        // Without it, a word that names it is dropped as one with an unknown variable.
        None => template.to_owned(),
    };
    let entry = |id: &str, title: String, kind, arguments: &str| Entry {
        id: id.to_owned(),
        title,
        kind,
        kernel: kernel.to_owned(),
        initrds: initrds.to_vec(),
        arguments: template(arguments),
        note: None,
    };
    let (kind, title) = match family.support {
        Support::Live => (EntryKind::Live, format!("Start {name}")),
        Support::Tool => (EntryKind::Tool, format!("Start {name}")),
        Support::Installs | Support::Named => (EntryKind::Install, format!("Install {name}")),
    };
    let mut entries = vec![entry("linux", title, kind, family.arguments)];
    if !family.text.is_empty() {
        let arguments = [family.arguments, family.text].join(" ");
        entries.push(entry("text", format!("Install {name} in text mode"), EntryKind::Text, &arguments));
    }
    if !family.rescue.is_empty() {
        entries.push(entry(
            "rescue",
            format!("Rescue a system with {name}"),
            EntryKind::Rescue,
            family.rescue,
        ));
    }
    // The first is what the family's first is, made for a medium in a drive.
    let mut is_first = true;
    for item in own.map_or(&[][..], |own| own.items.as_slice()) {
        let Action::Kernel { kernel: own_kernel, initrds: own_initrds, arguments } = &item.action else {
            continue;
        };
        let rewritten = rewrite(tree, own_kernel, arguments);
        if rewritten.kind == EntryKind::Tool && own_initrds.is_empty() {
            entries.push(Entry { note: None, ..of_item(item, own_kernel, own_initrds, &rewritten) });
        } else if family.answer == AnswerKind::Kickstart && base(own_kernel) == base(kernel) {
            if std::mem::take(&mut is_first) {
                continue;
            }
            // "Install with basic video driver" and the like: our way to the tree, their other words.
            let more = extra_words(arguments);
            if !more.is_empty() {
                let arguments = [family.arguments.to_owned(), more.join(" ")].join(" ");
                entries.push(entry(&item.label, item.title.clone(), EntryKind::Install, &arguments));
            }
        }
    }
    entries.push(Entry::local());
    with_unique_ids(entries)
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Words of the installer's own entry that change what it does: not the medium's, and not those that hide messages. None
/// of an entry for what the family has its own: text mode, rescue mode.
fn extra_words(arguments: &[String]) -> Vec<String> {
    let starts = [
        "inst.stage2=",
        "inst.repo=",
        "repo=",
        "method=",
        "stage2=",
        "ks=",
        "inst.ks=",
        "rd.live.check",
        "BOOT_IMAGE=",
    ];
    let is_extra = |word: &&String| {
        !starts.iter().any(|start| word.starts_with(start))
            // EL5's and EL6's `ks` alone asks an NFS server, and takes the place of ours (anaconda loader/kickstart.c).
            && !matches!(word.as_str(), "quiet" | "rhgb" | "splash" | "ks")
    };
    let is_other_mode =
        arguments.iter().any(|word| matches!(word.as_str(), "text" | "rescue" | "inst.text" | "inst.rescue"));
    if is_other_mode {
        return Vec::new();
    }
    arguments.iter().filter(is_extra).map(|word| literal(word)).collect()
}

/// The entries of an unknown image: its own menu's, its default first. Empty when there is none that a machine could
/// start from the network.
pub(super) fn unknown(tree: &dyn FileTree, own: &OwnMenu) -> Vec<Entry> {
    let is_default = |item: &&Item| own.menu.default.as_ref() == Some(&item.label);
    let items = own.items.iter().filter(is_default).chain(own.items.iter().filter(|item| !is_default(item)));
    let mut entries: Vec<Entry> = items
        .filter_map(|item| match &item.action {
            Action::Kernel { kernel, initrds, arguments } => {
                let rewritten = rewrite(tree, kernel, arguments);
                let mut entry = of_item(item, kernel, initrds, &rewritten);
                if rewritten.kind == EntryKind::Tool {
                    entry.note = None;
                } else if !rewritten.finds_medium {
                    entry.note = entry.note.map(|note| note + NO_MEDIUM);
                }
                Some(entry)
            }
            Action::Local | Action::Other => None,
        })
        .collect();
    if !entries.is_empty() {
        entries.push(Entry::local());
    }
    with_unique_ids(entries)
}

fn of_item(item: &Item, kernel: &str, initrds: &[String], rewritten: &Rewritten) -> Entry {
    Entry {
        id: item.label.clone(),
        title: item.title.clone(),
        kind: rewritten.kind,
        kernel: kernel.to_owned(),
        initrds: initrds.to_vec(),
        arguments: rewritten.template.clone(),
        note: Some(NOT_KNOWN.to_owned()),
    }
}

/// The entries with ids that can be typed, each once.
fn with_unique_ids(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut taken = order::set(iter::once("local".to_owned()));
    for entry in entries.iter_mut().filter(|entry| entry.kind != EntryKind::Local) {
        let id = id(&entry.id);
        let numbered = (2_u32..).map(|number| format!("{id}-{number}"));
        let free = iter::once(id.clone()).chain(numbered).find(|id| !taken.contains(id));
        entry.id = free.unwrap_or(id);
        taken.insert(entry.id.clone());
    }
    entries
}

/// Longest id, in letters: a label of PXELINUX that is typed.
const MAX_ID: usize = 32;

/// The id that a label becomes.
pub(super) fn id(label: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.') => letter,
        _ => '-',
    };
    let id: String = label.chars().take(MAX_ID).map(letter).collect();
    let id = id.trim_matches('-');
    if id.is_empty() { "entry".to_owned() } else { id.to_owned() }
}

/// The file of the tree that the default entry's kernel is told to load: a live system's root.
pub(super) fn first_fetch(tree: &dyn FileTree, entries: &[Entry]) -> Option<String> {
    let words = entries.first()?.arguments.split_whitespace();
    let mut told = words.filter_map(|word| word.split_once("{tree}/").map(|(_, path)| path));
    told.find(|path| paths::is_file(tree, path)).map(str::to_owned)
}

/// The menu around the entries, its default as the id that the entry got.
pub(super) fn menu(own: OwnMenu, entries: &[Entry]) -> Menu {
    let mut menu = own.menu;
    menu.default =
        menu.default.map(|label| id(&label)).filter(|id| entries.iter().any(|entry| entry.id == *id));
    menu
}
