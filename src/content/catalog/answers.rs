//! The answer files: `ks/<token>/ks.cfg`, and `ks/<token>/<image>/ks.cfg` where there are several images. cloud-init
//! takes a directory of them, and asks for `user-data` and others in it.

use std::sync::{Mutex, PoisonError};

use super::Tree;
use crate::answer::{self, Circumstances};
use crate::boot::Site;
use crate::boot::site::KickstartFacts;
use crate::content::{Protocol, Request};
use crate::machine::{ImageId, Machine, Registry};
use crate::wire::MacAddr;

/// The kickstarts, and what they must know of each image.
pub(super) struct Answers {
    answers: answer::Answers,
    of_images: Vec<(ImageId, Circumstances)>,
    is_only: bool,
}

impl Answers {
    pub(super) fn new(answers: answer::Answers, site: &Site, trees: &[Tree]) -> Self {
        let of_images = site.images.iter().zip(trees);
        let of_images =
            of_images.filter_map(|(image, tree)| Some((image.id.clone(), tree.circumstances.clone()?)));
        Self { answers, of_images: of_images.collect(), is_only: site.only_image().is_some() }
    }

    /// The images that a machine is installed with by a kickstart. `serials` tells that a machine may be known by its serial
    /// number alone.
    ///
    /// # Errors
    /// Why none can be made for it.
    pub(super) fn known(
        &self,
        machine: &Machine,
        serials: bool,
    ) -> Result<Vec<(ImageId, KickstartFacts)>, String> {
        let mut known = Vec::new();
        for (id, at) in &self.of_images {
            let own_source = if serials && machine.listed.is_none() && self.answers.differ() {
                // Which kickstart it gets is known when it fetches it. Naming no source to the kernel suits all of them.
                Some(true)
            } else {
                self.answers.own_source(machine, at).map_err(|error| error.to_string())?
            };
            known.extend(
                own_source
                    .map(|own_source| (id.clone(), KickstartFacts { own_source, needs_serial: serials })),
            );
        }
        Ok(known)
    }

    /// The answer file called `ks/<rest>`, by HTTP only: a TFTP name is seen by every station of a hub, and no installer
    /// asks so. Only for the machine itself: at the address that it was given, or at that of another of its cards.
    pub(super) fn find(
        &self,
        rest: &str,
        request: &Request<'_>,
        machines: &Mutex<Registry>,
    ) -> Option<Vec<u8>> {
        let (name, file) = rest.rsplit_once('/')?;
        let is_empty = match file {
            "ks.cfg" | "user-data" => false,
            // What cloud-init asks for beside `user-data`; without `meta-data` it takes neither.
            "meta-data" | "vendor-data" => true,
            _ => return None,
        };
        let (token, image) = name.split_once('/').map_or((name, None), |(token, image)| (token, Some(image)));
        let is_asked = |id: &ImageId| match image {
            Some(image) => id.as_str() == image,
            None => self.is_only,
        };
        let (_, at) = self.of_images.iter().find(|(id, _)| is_asked(id))?;
        let lock = || machines.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = {
            let mut machines = lock();
            let mac = machines.by_token(token)?.mac;
            if request.protocol != Protocol::Http || !may_have(mac, request, &mut machines) {
                return None;
            }
            if let Some(serial) = request.serial.and_then(|serial| std::str::from_utf8(serial).ok()) {
                machines.has_serial(mac, serial);
            }
            machines.by_mac(mac)?.clone()
        };
        if is_empty {
            return Some(Vec::new());
        }
        // Not while others wait for the machines.
        match self.answers.render(&machine, at) {
            Ok(text) => text,
            Err(error) => {
                if let Some(machine) = lock().by_mac_mut(machine.mac) {
                    machine.set_trouble(Some(error.to_string()));
                }
                None
            }
        }
    }
}

/// Whether a request for the answer file of the machine that booted from the card `mac` comes from that machine.
///
/// An installer with two cables may ask from another card than the firmware did. Then it must name the card that the file is
/// for, which has to have an address; and the one that it asks from, which has to be the one at that address: given it by us,
/// or, beside another server, seen on our wire with it. And that must not be the card of another machine of the list. So a
/// secret that was overheard is of no use to a stranger who makes up an address, to one from behind a router, nor to a
/// machine that was installed before.
fn may_have(mac: MacAddr, request: &Request<'_>, machines: &mut Registry) -> bool {
    let Some(own) = machines.by_mac(mac) else { return false };
    if own.ip == Some(request.peer) {
        return true;
    }
    let Some(asking) = machines.card_at(request.peer) else { return false };
    let row = match machines.by_mac(asking) {
        Some(machine) => machine.listed.clone(),
        None => machines.policy().listed(asking, None, None),
    };
    let own_line = own.listed.as_ref().map(|row| row.line);
    let is_another = asking != mac && row.is_some_and(|row| own_line != Some(row.line));
    let names = |card: MacAddr| request.cards.contains(&card);
    if is_another || own.ip.is_none() || !names(mac) || !names(asking) {
        return false;
    }
    machines.is_also_at(mac, request.peer);
    true
}
