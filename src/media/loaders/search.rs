//! Texts in programs of some megabytes.

use memchr::memmem;

/// Whether `text` stands in `bytes`.
pub fn contains(bytes: &[u8], text: &[u8]) -> bool {
    position(bytes, text).is_some()
}

/// Where `text` first stands in `bytes`; nowhere when there is no text.
pub fn position(bytes: &[u8], text: &[u8]) -> Option<usize> {
    if text.is_empty() { None } else { memmem::find(bytes, text) }
}
