//! The checks: one file and one function for each parser of foreign bytes.
//!
//! A new one, `NAME`, is `checks/NAME.rs` with `pub fn NAME(data: &[u8])`, a line here, a line in `../Cargo.toml`, and at
//! least one file in `../seeds/NAME/`. `tests/fuzz_replay.rs` says which of these is missing.

#[path = "../files.rs"]
mod files;
#[path = "../menus.rs"]
mod menus;
#[path = "../scripts.rs"]
mod scripts;
#[path = "../trees.rs"]
mod trees;

/// A check: it panics where the code under test breaks a promise.
pub type Check = fn(&[u8]);

macro_rules! checks {
    ($($name:ident)*) => {
        $(mod $name;)*

        /// Every check with its name, which is also its target's and its folders'.
        pub const CHECKS: &[(&str, Check)] = &[$((stringify!($name), $name::$name)),*];
    };
}

checks! {
    arp
    checksums
    deb
    dhcp
    dhcp_server
    dhcp_session
    el_torito
    fat
    frame
    hooks
    http
    http_session
    iso
    kickstart
    kickstart_check
    ladder
    lease
    loaders
    machine_file
    machine_list
    menu_entries
    menu_grub
    menu_isolinux
    ndp
    partition
    pe
    profile
    recognise
    repository
    rpm
    template
    tftp
    tftp_session
    treeinfo
    udf
}
