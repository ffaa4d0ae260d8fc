//! Programs that are unpacked when first asked for: PXELINUX out of a package on an image, and those built in.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::media::NotUnpacked;

/// What unpacking gives: files by the name they are served under at the root, or why there are none.
pub type Unpacked = Result<BTreeMap<String, Arc<[u8]>>, NotUnpacked>;

/// Files that are unpacked when first asked for. A failure is asked about again: it may be that of a medium that was pulled.
pub type Unpack = Box<dyn Fn() -> Unpacked + Send + Sync>;

/// The files themselves.
type Files = BTreeMap<String, Arc<[u8]>>;

/// The programs, each unpacked once.
pub(super) struct Programs {
    bios: Option<Lazy>,
    embedded: BTreeMap<String, Lazy>,
}

struct Lazy {
    unpack: Unpack,
    files: OnceLock<Files>,
}

impl Lazy {
    fn new(unpack: Unpack) -> Self {
        Self { unpack, files: OnceLock::new() }
    }

    fn get(&self) -> Result<&Files, NotUnpacked> {
        match self.files.get() {
            Some(files) => Ok(files),
            None => (self.unpack)().map(|files| self.files.get_or_init(|| files)),
        }
    }
}

impl Programs {
    pub(super) fn new(bios: Option<Unpack>, embedded: BTreeMap<String, Unpack>) -> Self {
        let embedded = embedded.into_iter().map(|(name, unpack)| (name, Lazy::new(unpack)));
        Self { bios: bios.map(Lazy::new), embedded: crate::order::map(embedded) }
    }

    /// The programs for BIOS machines.
    pub(super) fn bios(&self) -> Option<Result<&Files, NotUnpacked>> {
        self.bios.as_ref().map(Lazy::get)
    }

    /// Whether PXELINUX, which is there, has this module beside it. False until it was unpacked: who asks for a menu has
    /// fetched it before.
    pub(super) fn has_module(&self, name: &str) -> bool {
        let files = self.bios.as_ref().and_then(|bios| bios.files.get());
        files.is_some_and(|files| files.contains_key(name))
    }

    /// The program of this name, or why it cannot be unpacked.
    pub(super) fn find(&self, name: &str) -> Option<Result<Arc<[u8]>, NotUnpacked>> {
        let of = |files: &Files| files.get(name).cloned();
        if let Some(embedded) = self.embedded.get(name) {
            return embedded.get().map(of).transpose();
        }
        let is_bios = name == "pxelinux.0" || name == "lpxelinux.0" || name.ends_with(".c32");
        if !is_bios {
            return None;
        }
        self.bios()?.map(of).transpose()
    }
}
