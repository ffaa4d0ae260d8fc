//! `isolinux.cfg`: anything is one, it may include itself and others, and what comes out can be put into a menu.

use super::menus;

/// Reads `data` as an image's `isolinux.cfg`, in two files.
pub fn menu_isolinux(data: &[u8]) {
    let (first, second) = menus::halves(data);
    menus::check(&[("isolinux/isolinux.cfg", first), ("isolinux/more.cfg", second)]);
}
