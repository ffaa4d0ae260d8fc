//! `loader/entries/*.conf` (UAPI.1 Boot Loader Specification, "Type #1 Boot Loader Specification Entries").

use super::{Action, Item, MAX_ITEMS, OwnMenu, absolute, clean, found, text, words};
use crate::image::FileTree;
use crate::media::paths;
use crate::order;

/// Reads all entries, sorted by their file names; `None` when there are none.
pub(super) fn read(tree: &dyn FileTree) -> Option<OwnMenu> {
    let directory = paths::spelled(tree, "loader/entries")?;
    let mut names: Vec<String> = paths::names(tree, &directory);
    names.retain(|name| name.ends_with(".conf"));
    order::by(&mut names, Ord::cmp);
    names.truncate(MAX_ITEMS);
    let mut menu = OwnMenu::default();
    menu.menu.path = directory.clone();
    for name in &names {
        let label = name.trim_end_matches(".conf");
        menu.items.extend(entry(label, &text(tree, &paths::join(&directory, name))));
    }
    if let Some(path) = found(tree, "loader/loader.conf") {
        for line in text(tree, &path).lines() {
            match line.trim().split_once(char::is_whitespace) {
                Some(("default", value)) => menu.menu.default = default(&menu.items, value.trim()),
                Some(("timeout", value)) => {
                    let seconds: Option<u32> = value.trim().parse().ok();
                    menu.menu.timeout = seconds.and_then(|it| it.checked_mul(10)).filter(|it| *it > 0);
                }
                _ => {}
            }
        }
    }
    Some(menu)
}

/// The label that a `default` pattern means; of its wildcards only a `*` at the end is known.
fn default(items: &[Item], pattern: &str) -> Option<String> {
    let pattern = pattern.trim_end_matches(".conf");
    let fits = |label: &str| match pattern.strip_suffix('*') {
        Some(head) => label.starts_with(head),
        None => label == pattern,
    };
    items.iter().find(|item| fits(&item.label)).map(|item| item.label.clone())
}

/// One file.
fn entry(label: &str, text: &str) -> Option<Item> {
    let (mut title, mut kernel) = (None, None);
    let (mut initrds, mut arguments) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once(char::is_whitespace) else { continue };
        let value = value.trim();
        match key {
            "title" => title = Some(clean(value)),
            // Paths are of the partition, with or without their first slash.
            "linux" => kernel = Some(absolute("", value)?),
            "initrd" if initrds.len() < MAX_ITEMS => initrds.push(absolute("", value)?),
            "options" => arguments.extend(words(value)),
            _ => {}
        }
    }
    let label = clean(label);
    let title = title.filter(|title| !title.is_empty()).unwrap_or_else(|| label.clone());
    Some(Item { label, title, action: Action::Kernel { kernel: kernel?, initrds, arguments } })
}
