//! The boot file a client is told to load, and why there is none.

use std::fmt;

use super::arch::Arch;
use super::client::Client;

/// What a client is told to load.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BootFile {
    /// A name on our TFTP server.
    Name(String),
    /// An absolute URL, for clients that take one ([`Client::takes_url`]).
    Url(String),
    /// Nothing: it gets an address and no boot information.
    None(NoBoot),
}

/// Why a client gets no boot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoBoot {
    /// It did not ask for one.
    NotAsked,
    /// There is no loader for its architecture: not on the image, not built in.
    NoLoader(Option<Arch>),
    /// It boots by HTTP, the GRUB on the image has no module for that, and nothing else is built in.
    GrubWithoutHttp,
    /// It is iPXE, and fetched iPXE from us again and again.
    IpxeLoop,
    /// It is to boot from its own disk.
    LocalDisk,
    /// It is none of the machines that are served.
    Stranger,
    /// The name does not fit where this client reads it.
    NameTooLong,
    /// The client only takes a URL and there is none, or it takes none and there is only one.
    WrongTransport,
}

impl NoBoot {
    /// A short stable word to count by.
    pub fn key(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::NoLoader(_) => "no-loader",
            Self::GrubWithoutHttp => "grub-without-http",
            Self::IpxeLoop => "ipxe-loop",
            Self::LocalDisk => "local-disk",
            Self::Stranger => "stranger",
            Self::NameTooLong => "name-too-long",
            Self::WrongTransport => "wrong-transport",
        }
    }
}

impl fmt::Display for NoBoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("it asks for an address only"),
            Self::NoLoader(Some(arch)) => write!(f, "no loader for {arch}"),
            Self::NoLoader(None) => f.write_str("no loader: it does not say its architecture"),
            Self::GrubWithoutHttp => f.write_str(
                "the image's GRUB cannot go on over HTTP, and no iPXE is built in: let it boot by PXE",
            ),
            Self::IpxeLoop => f.write_str(
                "its iPXE fetched iPXE twice in half a minute and asks for it again: its options (77, 175) are lost on the way \
                 to us. Connect it without a relay, or let it boot by UEFI",
            ),
            Self::LocalDisk => f.write_str("it boots from its own disk"),
            Self::Stranger => f.write_str("it is none of the machines that are served"),
            Self::NameTooLong => f.write_str("the boot file's name is too long for it"),
            Self::WrongTransport => f.write_str("it cannot fetch the boot file the way it is served"),
        }
    }
}

/// Knows what each client boots. Answers without delay.
pub trait BootInfo {
    /// The boot file of a client, now.
    fn boot_file(&self, client: &Client) -> BootFile;

    /// The boot file of a client that has its address from another server.
    fn proxy_boot_file(&self, client: &Client) -> BootFile {
        self.boot_file(client)
    }

    /// What the client's machine is called, where that is known.
    fn host_name(&self, _client: &Client) -> Option<String> {
        None
    }

    /// Whether there is a file that a client names itself.
    fn has_file(&self, _name: &str) -> bool {
        false
    }
}

impl<F: Fn(&Client) -> BootFile> BootInfo for F {
    fn boot_file(&self, client: &Client) -> BootFile {
        self(client)
    }
}
