//! The plan in the languages of the loaders.
//!
//! Each loader reads its own language, so what comes from an image (titles, paths) is quoted by that language's rules
//! in one place each.

pub mod grub;
pub mod ipxe;
pub mod pxelinux;
pub mod screens;

use std::net::Ipv4Addr;

use crate::content::Protocol;

/// How the loader that asks for a menu reaches us: it gets its files the way it got the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// By which protocol.
    pub protocol: Protocol,
    /// Our address.
    pub server: Ipv4Addr,
    /// The port of our HTTP server.
    pub http_port: u16,
}

/// `text` for a menu's title or message: printable ASCII, everything else as `?`. Firmware fonts have little more.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bytes_of_a_title_do_not_reach_a_screen() {
        assert_eq!(printable("Rocky\u{1b}[2J 9\n\u{e9}"), "Rocky?[2J 9??");
    }
}
