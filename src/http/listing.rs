//! A directory as a page that people and mirroring clients read.

use super::date::Date;
use super::target::encode;
use crate::image::Entry;

/// The page for the directory `name` with these entries. Links are absolute paths: they are right whether or not the page was
/// asked for with a slash at its end, and nobody has to be redirected.
pub fn page(name: &[u8], entries: &[Entry]) -> String {
    let title = escape(&format!("/{}", String::from_utf8_lossy(name)));
    let base = if name.is_empty() { String::from("/") } else { format!("/{}/", encode(name)) };
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body><h1>{title}</h1>\n<pre>\n"
    );
    if let Some(parent) = parent(name) {
        page.push_str(&format!("<a href=\"{parent}\">../</a>\n"));
    }
    for entry in entries {
        let slash = if entry.is_directory { "/" } else { "" };
        let href = format!("{base}{}{slash}", encode(&entry.name));
        let shown = escape(&String::from_utf8_lossy(&entry.name));
        page.push_str(&format!("<a href=\"{href}\">{shown}{slash}</a>"));
        if !entry.is_directory {
            page.push_str(&format!("  {}  {}", Date(entry.modified), entry.len));
        }
        page.push('\n');
    }
    page.push_str("</pre></body></html>\n");
    page
}

fn parent(name: &[u8]) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let slash = name.iter().rposition(|byte| *byte == b'/');
    Some(
        slash
            .map_or_else(|| "/".to_owned(), |at| format!("/{}/", encode(name.get(..at).unwrap_or_default()))),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_both_languages() {
        let entries = [
            Entry { name: b"<a b>&\".rpm".to_vec(), is_directory: false, len: 5, modified: 0 },
            Entry { name: b"Packages".to_vec(), is_directory: true, len: 0, modified: 0 },
        ];
        let page = page(b"t/el9", &entries);
        assert!(
            page.contains("<a href=\"/t/el9/%3Ca%20b%3E%26%22.rpm\">&lt;a b&gt;&amp;&quot;.rpm</a>"),
            "{page}"
        );
        assert!(page.contains("<a href=\"/t/el9/Packages/\">Packages/</a>"), "{page}");
        assert!(page.contains("<a href=\"/t/\">../</a>"), "{page}");
    }

    #[test]
    fn the_root_has_no_parent() {
        assert!(!page(b"", &[]).contains("../"));
        assert!(page(b"t", &[]).contains("<a href=\"/\">../</a>"));
    }
}
