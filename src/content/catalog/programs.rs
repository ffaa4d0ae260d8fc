//! Programs that are unpacked when first asked for: PXELINUX out of a package on an image, and those built in.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// What unpacking gives: files by the name they are served under at the root, or why there are none.
pub type Unpacked = Result<BTreeMap<String, Arc<[u8]>>, String>;

/// Files that are unpacked when first asked for.
pub type Unpack = Box<dyn Fn() -> Unpacked + Send + Sync>;

/// The programs, each unpacked once.
pub(super) struct Programs {
    bios: Option<(Unpack, OnceLock<Unpacked>)>,
    embedded: BTreeMap<String, (Unpack, OnceLock<Unpacked>)>,
}

impl Programs {
    pub(super) fn new(bios: Option<Unpack>, embedded: BTreeMap<String, Unpack>) -> Self {
        let lazy = |unpack| (unpack, OnceLock::new());
        Self {
            bios: bios.map(lazy),
            embedded: embedded.into_iter().map(|(name, unpack)| (name, lazy(unpack))).collect(),
        }
    }

    /// The programs for BIOS machines.
    pub(super) fn bios(&self) -> Option<&Unpacked> {
        self.bios.as_ref().map(|(unpack, files)| files.get_or_init(unpack))
    }

    /// Whether PXELINUX, which is there, has this module beside it. False until it was unpacked: who asks for a menu has
    /// fetched it before.
    pub(super) fn has_module(&self, name: &str) -> bool {
        let files = self.bios.as_ref().and_then(|(_, files)| files.get()?.as_ref().ok());
        files.is_some_and(|files| files.contains_key(name))
    }

    pub(super) fn find(&self, name: &str) -> Option<Arc<[u8]>> {
        if let Some((unpack, files)) = self.embedded.get(name) {
            return files.get_or_init(unpack).as_ref().ok()?.get(name).cloned();
        }
        let is_bios = name == "pxelinux.0" || name == "lpxelinux.0" || name.ends_with(".c32");
        if !is_bios {
            return None;
        }
        self.bios()?.as_ref().ok()?.get(name).cloned()
    }
}
