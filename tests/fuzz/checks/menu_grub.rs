//! `grub.cfg`: anything is one; variables, blocks and included files end.

use super::menus;

/// Reads `data` as an image's `grub.cfg`, in two files.
pub fn menu_grub(data: &[u8]) {
    let (first, second) = menus::halves(data);
    menus::check(&[("boot/grub/grub.cfg", first), ("boot/grub/more.cfg", second)]);
}
