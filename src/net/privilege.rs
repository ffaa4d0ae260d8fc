//! Whether this process may do what it is about to do, asked before the first attempt.
//!
//! Source: capabilities(7).

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use super::invocation::{Invocation, quoted};
use super::sys;

/// A capability that is needed, with its number in `linux/capability.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// To open ports below 1024.
    NetBindService = 10,
    /// To bring the link up and lend the interface an address.
    NetAdmin = 12,
    /// To open the raw socket.
    NetRaw = 13,
}

impl Capability {
    /// All that a run on an interface without an address needs.
    pub const ALL: [Self; 3] = [Self::NetRaw, Self::NetAdmin, Self::NetBindService];

    /// As setcap(8) writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetBindService => "cap_net_bind_service",
            Self::NetAdmin => "cap_net_admin",
            Self::NetRaw => "cap_net_raw",
        }
    }
}

/// The capabilities that are in force for a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Those of the calling thread.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn effective() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/thread-self/status")?;
        Self::parse(&status).ok_or_else(|| io::Error::other("no CapEff in /proc/thread-self/status"))
    }

    /// Whether this one is among them.
    pub fn has(self, capability: Capability) -> bool {
        self.0 >> capability as u8 & 1 == 1
    }

    /// Reads the line `CapEff:` of proc(5), a mask in hexadecimal.
    fn parse(status: &str) -> Option<Self> {
        let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        u64::from_str_radix(mask.trim(), 16).ok().map(Self)
    }
}

/// Checks that this thread has everything in `needed`.
///
/// # Errors
/// [`NotPrivileged`], whose text has the two commands that help. When `/proc` cannot tell, there is no error:
/// the attempt itself will.
pub fn check(needed: &[Capability], invocation: &Invocation) -> Result<(), NotPrivileged> {
    let Ok(have) = Capabilities::effective() else { return Ok(()) };
    let missing: Vec<_> = needed.iter().copied().filter(|capability| !have.has(*capability)).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(NotPrivileged { missing, remedy: remedy(invocation) }),
    }
}

/// What root needs besides while it serves: media and folders of others, which come and go (`CAP_DAC_OVERRIDE`,
/// `CAP_DAC_READ_SEARCH`), and to come before other programs ([`precedence`](super::precedence), `CAP_SYS_NICE`).
const ALSO: u32 = 1 << 1 | 1 << 2 | 1 << 23;

/// Gives up what serving does not need, for this thread and those it starts: to load modules, trace processes, mount.
/// It helps as long as no other thread of the process has more.
///
/// # Errors
/// What the kernel says; then some of it may stay.
pub fn shed() -> io::Result<()> {
    let needed = Capability::ALL.iter().fold(ALSO, |mask, capability| mask | 1 << *capability as u8);
    sys::keep_capabilities(needed)
}

/// The two ways to run with the privileges: sudo once, or setcap for good. Two indented command lines.
pub fn remedy(invocation: &Invocation) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| invocation.program.clone());
    remedy_for(invocation, &program)
}

fn remedy_for(invocation: &Invocation, program: &Path) -> String {
    let names = Capability::ALL.map(Capability::name).join(",");
    let file = quoted(program.as_os_str());
    format!(
        "Run it as root:\n\n    sudo {invocation}\n\nor allow it once for all:\n\n    sudo setcap {names}+ep {file}\n"
    )
}

/// Privileges that are missing, and what to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPrivileged {
    /// Those that are not in force.
    pub missing: Vec<Capability>,
    remedy: String,
}

impl fmt::Display for NotPrivileged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.missing.iter().map(|capability| capability.name()).collect();
        write!(f, "no permission to serve on a network ({} missing)\n\n{}", names.join(", "), self.remedy)
    }
}

impl std::error::Error for NotPrivileged {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_bit_by_bit() {
        let have =
            Capabilities::parse("Name:\tx\nCapPrm:\tffff\nCapEff:\t0000000000003400\nCapBnd:\t0\n").unwrap();
        assert!(Capability::ALL.iter().all(|capability| have.has(*capability)));
        let have = Capabilities::parse("CapEff:\t0000000000002000\n").unwrap();
        assert_eq!(Capability::ALL.map(|capability| have.has(capability)), [true, false, false]);
        assert_eq!(Capabilities::parse("CapPrm:\t1\n"), None);
        assert_eq!(Capabilities::parse("CapEff:\tx\n"), None);
    }

    #[test]
    fn the_error_ends_with_both_commands() {
        let invocation = Invocation {
            program: "./pxego".into(),
            arguments: ["--iface", "eth0", "--iso", "My disk.iso"].map(Into::into).into(),
        };
        let remedy = remedy_for(&invocation, Path::new("/media/stick/pxego"));
        let error = NotPrivileged { missing: vec![Capability::NetRaw], remedy };
        assert_eq!(
            error.to_string(),
            "no permission to serve on a network (cap_net_raw missing)

Run it as root:

    sudo ./pxego --iface eth0 --iso 'My disk.iso'

or allow it once for all:

    sudo setcap cap_net_raw,cap_net_admin,cap_net_bind_service+ep /media/stick/pxego
"
        );
    }
}
