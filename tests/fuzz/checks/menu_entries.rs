//! `loader/entries`: anything is one.

use super::menus;

/// Reads `data` as two entries, and as `loader.conf` too.
pub fn menu_entries(data: &[u8]) {
    let (first, second) = menus::halves(data);
    menus::check(&[
        ("loader/entries/a.conf", first),
        ("loader/entries/b.conf", second),
        ("loader/loader.conf", first),
    ]);
}
