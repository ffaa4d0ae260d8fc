//! One meaning of "the bytes called X", shared by TFTP and HTTP.
//!
//! A client's string is looked up in a [`Library`]; nothing joins it to a path of this computer.

pub mod catalog;
pub mod name;
pub mod networks;

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::image::{Absence, Entry, FileData};
use crate::wire::MacAddr;

/// Bytes we can serve, with a known length.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes.
    pub body: Body,
    /// What they are in the boot of a machine.
    pub role: Role,
    /// When they were last changed, in seconds since 1970; becomes `Last-Modified`.
    pub modified: u64,
}

/// Where the bytes of a [`Content`] are.
#[derive(Clone, Debug)]
pub enum Body {
    /// Made by us, or unpacked from a package.
    Memory(Arc<[u8]>),
    /// A file on an image.
    Image(FileData),
}

/// What a content is in the boot of a machine; decides which event its transfer becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The first program, or one that it loads (shim, GRUB, `ldlinux.c32`).
    Loader,
    /// A generated menu or script.
    Menu,
    /// The installer's kernel.
    Kernel,
    /// The installer's initial ramdisk.
    Initrd,
    /// The answer file.
    Answer,
    /// `.treeinfo`, `.discinfo`, repository metadata.
    Metadata,
    /// The installer's runtime image.
    Stage2,
    /// A package.
    Package,
    /// Anything else.
    Other,
}

impl Content {
    /// Content made by us just now, or held in memory.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>, role: Role, modified: u64) -> Self {
        Self { body: Body::Memory(bytes.into()), role, modified }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match &self.body {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Image(file) => file.len(),
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why its bytes are not to be had for now; `None` when they are.
    pub fn absence(&self) -> Option<Absence> {
        match &self.body {
            Body::Memory(_) => None,
            Body::Image(file) => file.source().absence(),
        }
    }

    /// Fills `buffer` from `offset` on; fewer bytes than asked only at the end.
    ///
    /// # Errors
    /// What reading the image says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match &self.body {
            Body::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            Body::Image(file) => file.read_at(buffer, offset),
        }
    }
}

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Trivial File Transfer Protocol.
    Tftp,
    /// HTTP/1.
    Http,
}

/// A request for a name.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The normalised name: no leading, trailing or doubled `/`, no `.` or `..`, no NUL. Empty is the root.
    pub name: &'a [u8],
    /// Who asks.
    pub peer: Ipv4Addr,
    /// By which protocol; a menu names its files for the same one.
    pub protocol: Protocol,
    /// What the client says its machine's serial number is.
    pub serial: Option<&'a [u8]>,
    /// The network cards that the client says its machine has.
    pub cards: &'a [MacAddr],
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Found {
    /// These bytes.
    Content(Content),
    /// A directory with these entries, sorted by name.
    Directory(Vec<Entry>),
    /// Nothing.
    Missing,
}

/// Every name we serve. Answers without delay: whatever is slow was done before.
pub trait Library: Send + Sync {
    /// Looks up a name.
    fn find(&self, request: &Request<'_>) -> Found;
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for was sent (and, with TFTP, all but perhaps the last block acknowledged).
    Done,
    /// The client asked for the size only (TFTP `tsize` probe, HTTP HEAD, 304).
    Probe,
    /// There is nothing of that name.
    Missing,
    /// The medium with the bytes is not there for now; its absence was told.
    Unavailable,
    /// The client went away, or said why it stopped.
    Aborted(String),
    /// We could not read the source, or refused the request.
    Failed(String),
}

/// One request as it ended, told to an [`Observer`].
#[derive(Clone, Debug)]
pub struct Transfer<'a> {
    /// Who asked.
    pub peer: Ipv4Addr,
    /// By which protocol.
    pub protocol: Protocol,
    /// The name asked for, normalised, as in [`Request::name`].
    pub name: &'a [u8],
    /// What it was; `None` when nothing was found.
    pub role: Option<Role>,
    /// Bytes of content sent.
    pub sent: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// Hears about transfers; makes events of them. Must not block.
pub trait Observer: Send + Sync {
    /// A transfer of content begins.
    fn started(&self, peer: Ipv4Addr, protocol: Protocol, name: &[u8], role: Role);

    /// A transfer, or a request that came to nothing, ended.
    fn ended(&self, transfer: &Transfer<'_>);

    /// A machine reports `body` to `name`. Whether that was expected; nobody is by default.
    fn reported(&self, _peer: Ipv4Addr, _name: &[u8], _body: &[u8]) -> bool {
        false
    }
}
