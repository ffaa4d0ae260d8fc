//! The checks: one file and one function for each parser of foreign bytes.
//!
//! A new one, `NAME`, is `checks/NAME.rs` with `pub fn NAME(data: &[u8])`, a line here, a line in `../Cargo.toml`, and at
//! least one file in `../seeds/NAME/`. `tests/fuzz_replay.rs` says which of these is missing.

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
    dhcp
    dhcp_server
    dhcp_session
    frame
    hooks
    http
    iso
    http_session
    kickstart
    lease
    machine_file
    machine_list
    rpm
    template
    tftp
    tftp_session
    treeinfo
}
