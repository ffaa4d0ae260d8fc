//! The table of everything that is served: what is made, what is unpacked, and the trees of the images.
//!
//! Names that are made win over the images': their own `grub.cfg` would search for a disc that is not there.

mod answers;
mod menus;
mod programs;
#[cfg(test)]
mod tests;
mod trees;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Body, Content, Found, Library, Request, Role};
use crate::answer;
use crate::boot::Site;
use crate::image::{Absence, FileData};
use crate::machine::{ImageId, Machine, Registry};
use crate::media::NotUnpacked;
use crate::wire::MacAddr;

use answers::Answers;
use programs::Programs;
pub use programs::{Unpack, Unpacked};
pub use trees::Tree;
use trees::Trees;

/// What a [`Catalog`] is made of.
pub struct Parts {
    /// What is served in this run.
    pub site: Site,
    /// The files of its images, in the same order.
    pub trees: Vec<Tree>,
    /// The kickstarts.
    pub answers: answer::Answers,
    /// PXELINUX and its modules.
    pub bios: Option<Unpack>,
    /// Loaders that we bring, by the name they are served under.
    pub embedded: BTreeMap<String, Unpack>,
    /// The machines of this run.
    pub machines: Arc<Mutex<Registry>>,
    /// When the server started, in seconds since 1970: the age of everything made.
    pub started: u64,
}

/// Every name that is served.
pub struct Catalog {
    site: Site,
    trees: Trees,
    answers: Answers,
    programs: Programs,
    machines: Arc<Mutex<Registry>>,
    started: u64,
}

impl Catalog {
    /// The catalogue made of `parts`. Nothing is unpacked yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { site, trees, answers, bios, embedded, machines, started } = parts;
        Self {
            answers: Answers::new(answers, &site, &trees),
            trees: Trees::new(trees, &site),
            programs: Programs::new(bios, embedded),
            site,
            machines,
            started,
        }
    }

    /// What is served in this run.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The image whose loader `mac` is to get: that of the entry it waits for, or the one it is bound to.
    pub fn image_for(&self, mac: MacAddr) -> Option<ImageId> {
        let machines = self.machines();
        let machine = machines.by_mac(mac)?;
        let picked = machine.pick.as_deref().and_then(|label| self.site.image_of(label));
        picked.map(|image| image.id.clone()).or_else(|| machine.assignment.image.clone())
    }

    /// Unpacks the programs for BIOS machines, if that was not done before. Takes up to some hundred milliseconds.
    ///
    /// # Errors
    /// Why the package on the image cannot be read.
    pub fn prepare_bios(&self) -> Result<(), NotUnpacked> {
        match self.programs.bios() {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// What we make ourselves under this name.
    fn made(&self, request: &Request<'_>) -> Option<Found> {
        let name = std::str::from_utf8(request.name).ok()?;
        if let Some(found) = self.menu(name, request) {
            return Some(found);
        }
        if let Some(rest) = name.strip_prefix("ks/") {
            let found = self.answers.find(rest, request, &self.machines);
            return Some(found.map_or(Found::Missing, |bytes| self.content(bytes, Role::Answer)));
        }
        if name == "ks" {
            return Some(Found::Missing);
        }
        match self.programs.find(name)? {
            Ok(bytes) => Some(self.content(bytes, Role::Loader)),
            // Who asks is to come back.
            Err(failure) if failure.may_pass => {
                let body = Body::Image(FileData::absent(Absence::Gone));
                Some(Found::Content(Content { role: Role::Loader, modified: 0, body }))
            }
            Err(_) => None,
        }
    }

    fn content(&self, bytes: impl Into<Arc<[u8]>>, role: Role) -> Found {
        Found::Content(Content::from_bytes(bytes, role, self.started))
    }

    /// What an image has under this name.
    fn on_images(&self, request: &Request<'_>) -> Found {
        let loader = || self.identify(request).and_then(|machine| machine.loader);
        let found = self.trees.find(request.name, loader);
        if let Some(image) = self.trees.first_program(request.name) {
            // The menu that it asks for next is for it.
            if let Some(machine) = self.machines().by_ip_mut(request.peer) {
                machine.loader = Some(image.clone());
            }
        } else if let Found::Content(Content { role: Role::Kernel, .. }) = &found {
            // What was chosen before the machine started again is on its way.
            if let Some(machine) = self.machines().by_ip_mut(request.peer) {
                machine.pick = None;
            }
        }
        found
    }

    /// The machine that asks, with the secret of its kickstart: whoever has the address it asks from. The MAC address in
    /// a menu's name proves nothing, so it does not bring the secret.
    fn identify(&self, request: &Request<'_>) -> Option<Machine> {
        self.machines().by_ip(request.peer).cloned()
    }

    fn machines(&self) -> MutexGuard<'_, Registry> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library for Catalog {
    fn find(&self, request: &Request<'_>) -> Found {
        self.made(request).unwrap_or_else(|| self.on_images(request))
    }
}
