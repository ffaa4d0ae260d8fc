//! Which program each machine is offered first, with what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::chronicle::{Arrived, Chronicle};
use super::given::Given;
use super::images::Image;
use super::stuck::Choice;
use crate::boot::arch::Arch;
use crate::boot::boot_file::{BootFile, BootInfo, NoBoot};
use crate::boot::client::{Client, Firmware, Stage};
use crate::boot::select::{self, FirstPrograms};
use crate::boot::site;
use crate::content::catalog::Catalog;
use crate::content::name::normalise;
use crate::content::{Found, Library, Protocol, Request};
use crate::event::What;
use crate::machine::ImageId;
use crate::media::embedded::{self, Role};
use crate::media::{Loaders, NotUnpacked, UefiArch, UefiKind, UefiLoader};
use crate::order;
use crate::wire::MacAddr;

/// The first program for BIOS machines, as the catalogue names it.
const PXELINUX: &str = "pxelinux.0";

/// Most machines that are told of one by one.
const MAX_MISFITS: usize = 4096;

/// The first programs that there are.
pub(super) struct Programs {
    /// For machines that may choose: of each architecture that of the latest image.
    common: FirstPrograms,
    /// For machines that are bound to an image which has programs of its own.
    of_images: BTreeMap<ImageId, FirstPrograms>,
    /// Unpack what is in packages, by the names of the programs on our server.
    preparers: BTreeMap<String, Prepare>,
}

/// Unpacks an image's loader for one kind of UEFI machine, or says why that cannot be.
type Prepare = Box<dyn Fn() -> Result<(), NotUnpacked> + Send + Sync>;

impl Programs {
    /// Those that the user gave, those of `images`, and those built in.
    ///
    /// Under Secure Boot a machine boots the kernels only that its loader's vendor signed: who is bound to an image gets
    /// that image's own loader. The others get the latest: what firmware revokes are old ones.
    pub(super) fn of<'a>(images: impl Iterator<Item = &'a Image>, given: &[Given]) -> Self {
        let mut images: Vec<&Image> = images.collect();
        let is_only = images.len() == 1;
        let prefix = |image: &Image| if is_only { String::new() } else { format!("t/{}/", image.id) };
        let of_image = |image: &Image| first_programs(&image.loaders, &prefix(image));
        // The later wins, and of equal ones the first.
        images.reverse();
        order::by_key(&mut images, |image| image.age);
        let mut common = FirstPrograms {
            given: order::map(given.iter().map(|it| (it.arch, it.first.clone()))),
            given_ipxe: order::set(given.iter().filter(|it| it.is_ipxe).map(|it| it.arch)),
            built_in: built_in(),
            ..FirstPrograms::default()
        };
        images.iter().for_each(|image| overlay(&mut common, &of_image(image)));
        let of_images =
            images.iter().filter(|image| !is_only && !image.loaders.uefi.is_empty()).map(|image| {
                let mut programs = common.clone();
                overlay(&mut programs, &of_image(image));
                (image.id.clone(), programs)
            });
        let preparers = order::map(images.iter().flat_map(|image| preparers(&image.loaders, &prefix(image))));
        Self { of_images: order::map(of_images), common, preparers }
    }

    /// The image whose loader UEFI machines get that may choose.
    pub(super) fn latest<'a>(images: impl Iterator<Item = &'a Image>) -> Option<&'a Image> {
        let has_loader = |image: &&Image| image.loaders.uefi.iter().any(|it| it.kind == UefiKind::Grub2);
        let images: Vec<&Image> = images.filter(has_loader).collect();
        // Of several equal ones the first.
        images.into_iter().rev().max_by_key(|image| image.age)
    }

    /// Those for machines that may choose.
    pub(super) fn common(&self) -> &FirstPrograms {
        &self.common
    }

    /// Those for a machine of `image`.
    fn of_image(&self, image: Option<&ImageId>) -> &FirstPrograms {
        image.and_then(|id| self.of_images.get(id)).unwrap_or(&self.common)
    }
}

/// Puts `above` in the place of what there is for the same architectures.
fn overlay(programs: &mut FirstPrograms, above: &FirstPrograms) {
    for (arch, name) in &above.image {
        programs.image.insert(*arch, name.clone());
        for (all, new) in
            [(&mut programs.speaks_http, &above.speaks_http), (&mut programs.knows_proxy, &above.knows_proxy)]
        {
            all.remove(arch);
            all.extend(new.get(arch));
        }
    }
}

/// The first programs of an image, whose names begin with `prefix` on our server.
fn first_programs(loaders: &Loaders, prefix: &str) -> FirstPrograms {
    let bios = loaders.bios.iter().map(|_| (Arch::Bios, PXELINUX.to_owned()));
    // EL6's GRUB 0.97 reads no grub.cfg and knows no Secure Boot; iPXE does the same and more.
    let uefi = loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2);
    let uefi = uefi.map(|loader| (uefi_arch(loader.arch), format!("{prefix}{}", loader.first())));
    let arches = |can: fn(&UefiLoader) -> bool| {
        order::set(loaders.uefi.iter().filter(|loader| can(loader)).map(|loader| uefi_arch(loader.arch)))
    };
    FirstPrograms {
        image: order::map(bios.chain(uefi)),
        speaks_http: arches(|loader| loader.speaks_http),
        knows_proxy: arches(|loader| loader.knows_proxy),
        ..FirstPrograms::default()
    }
}

/// What unpacks the first programs of an image, by their names.
fn preparers(loaders: &Loaders, prefix: &str) -> Vec<(String, Prepare)> {
    let grub = loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2);
    grub.map(|loader| {
        let (prepare, arch) = (loaders.preparer(), loader.arch);
        let prepare: Prepare = Box::new(move || prepare(arch));
        (format!("{prefix}{}", loader.first()), prepare)
    })
    .collect()
}

fn built_in() -> BTreeMap<Arch, String> {
    order::map(embedded::embedded().iter().map(|loader| (role_arch(loader.role), loader.name.to_owned())))
}

fn uefi_arch(arch: UefiArch) -> Arch {
    match arch {
        UefiArch::X64 => Arch::X64Uefi,
        UefiArch::Ia32 => Arch::Ia32Uefi,
        UefiArch::Aa64 => Arch::Arm64Uefi,
    }
}

fn role_arch(role: Role) -> Arch {
    match role {
        Role::Bios => Arch::Bios,
        Role::X64 => Arch::X64Uefi,
        Role::Arm64 => Arch::Arm64Uefi,
    }
}

/// Knows what each client boots.
pub(super) struct Offer {
    catalog: Arc<Catalog>,
    programs: Programs,
    chronicle: Arc<Chronicle>,
    /// Whether PXELINUX on the image was found to be unreadable, and that was said.
    pxelinux_is_broken: AtomicBool,
    /// The same of shim and GRUB.
    uefi_is_broken: AtomicBool,
    /// Whether it was said that GRUB on the image does not know proxyDHCP.
    grub_is_old: AtomicBool,
    /// Machines of which it was said that their kernel does not start on them.
    misfits: Mutex<BTreeSet<MacAddr>>,
}

impl Offer {
    /// What is offered from `catalog`, with these first programs.
    pub(super) fn new(catalog: Arc<Catalog>, programs: Programs, chronicle: Arc<Chronicle>) -> Self {
        Self {
            catalog,
            programs,
            chronicle,
            pxelinux_is_broken: AtomicBool::new(false),
            uefi_is_broken: AtomicBool::new(false),
            grub_is_old: AtomicBool::new(false),
            misfits: Mutex::default(),
        }
    }

    /// The programs for the machine that asks: those of the image it is bound to, or waits for.
    fn programs_for(&self, client: &Client) -> &FirstPrograms {
        self.programs.of_image(self.catalog.image_for(client.mac).as_ref())
    }

    /// Why a machine gets nothing, whatever there is for it.
    fn refusal(&self, client: &Client) -> Option<NoBoot> {
        if !client.is_netboot() {
            // A loader of a machine on its way, or a system that wants an address.
            return self.chronicle.is_stranger(client).then_some(NoBoot::Stranger);
        }
        match self.chronicle.arrives(client) {
            Arrived::Expected => None,
            Arrived::Stranger => Some(NoBoot::Stranger),
        }
    }

    fn choose(&self, client: &Client, programs: &FirstPrograms) -> BootFile {
        if let Some(reason) = self.refusal(client) {
            return BootFile::None(reason);
        }
        if client.stage != Stage::Rom || !matches!(client.firmware, Firmware::Pxe | Firmware::HttpBoot) {
            return self.usual(client, programs);
        }
        let choice = self.chronicle.stuck().choose(client.mac);
        let chosen = match choice {
            Choice::Usual => None,
            Choice::Other { is_news } => self.other(client, programs, is_news),
        };
        let chosen = chosen.unwrap_or_else(|| self.usual(client, programs));
        if let BootFile::Name(name) | BootFile::Url(name) = &chosen {
            self.chronicle.stuck().offered(client.mac, name);
        }
        chosen
    }

    /// What is built in, for a machine whose firmware fetched the image's own program and started again; nothing where the
    /// user chose the program.
    fn other(&self, client: &Client, programs: &FirstPrograms, is_news: bool) -> Option<BootFile> {
        let arch = client.arch?;
        if programs.given.contains_key(&arch) || !programs.built_in.contains_key(&arch) {
            return None;
        }
        let usual = programs.image.get(&arch)?;
        let mut others = programs.clone();
        others.image.remove(&arch);
        let other = select::boot_file(self.catalog.site(), &others, client);
        let (BootFile::Name(name) | BootFile::Url(name)) = &other else { return None };
        if is_news {
            let text = format!(
                "{usual} was fetched twice and led nowhere: from now on this machine is offered {name}. Where Secure Boot \
                 refuses that, give it another with --loader"
            );
            self.chronicle.tell_of(client.mac, None, What::Warning { text });
        }
        Some(other)
    }

    /// What all machines of this kind are offered.
    fn usual(&self, client: &Client, programs: &FirstPrograms) -> BootFile {
        let first = select::boot_file(self.catalog.site(), programs, client);
        match &first {
            BootFile::Name(name) if name == PXELINUX => match self.catalog.prepare_bios() {
                Ok(()) => first,
                Err(error) => self.without_pxelinux(client, programs, &error),
            },
            // Old ones are given ours; one that only goes round is given nothing, which ends it with a message.
            BootFile::Name(name)
                if matches!(client.firmware, Firmware::Ipxe { .. })
                    && programs.built_in.values().any(|other| other == name)
                    && self.chronicle.is_looping(client.mac) =>
            {
                BootFile::None(NoBoot::IpxeLoop)
            }
            BootFile::Name(name) | BootFile::Url(name) => match self.prepared(client, programs, name) {
                Some((arch, Err(error))) => self.without_uefi(client, programs, arch, &error),
                _ => first,
            },
            BootFile::None(_) => first,
        }
    }

    /// The kind of UEFI machine that a client is, if it is told to load an image's own loader, and whether that can be
    /// unpacked.
    fn prepared(
        &self,
        client: &Client,
        programs: &FirstPrograms,
        name: &str,
    ) -> Option<(Arch, Result<(), NotUnpacked>)> {
        let arch = client.arch?;
        let program = programs.image.get(&arch).filter(|program| name.ends_with(*program))?;
        let prepare = self.programs.preparers.get(program)?;
        Some((arch, prepare()))
    }

    /// The built-in loader takes the place of shim and GRUB, if there is one.
    fn without_uefi(
        &self,
        client: &Client,
        programs: &FirstPrograms,
        arch: Arch,
        error: &NotUnpacked,
    ) -> BootFile {
        if !error.may_pass && !self.uefi_is_broken.swap(true, Ordering::Relaxed) {
            self.chronicle.tell(What::Warning {
                text: format!(
                    "shim and GRUB cannot be taken from the image: {error}. {arch} machines get what is built in; those \
                     with Secure Boot on refuse that. Give them another with --loader ARCH=FILE"
                ),
            });
        }
        let mut programs = programs.clone();
        programs.image.remove(&arch);
        select::boot_file(self.catalog.site(), &programs, client)
    }

    /// Tells once that UEFI machines get another program than the image's, or one that will not find us.
    fn tell_of_old_grub(&self, client: &Client) {
        let Some(arch) = client.arch.filter(|arch| arch.is_uefi()) else { return };
        let programs = self.programs_for(client);
        let Some(file) = programs.image.get(&arch) else { return };
        let is_pxe = client.firmware == Firmware::Pxe;
        if !is_pxe
            || programs.given.contains_key(&arch)
            || programs.knows_proxy.contains(&arch)
            || self.grub_is_old.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let server = self.catalog.site().server;
        let what = if programs.built_in.contains_key(&arch) {
            "so UEFI machines get iPXE instead; those with Secure Boot on refuse it"
        } else {
            "and no iPXE is built in that could take its place"
        };
        self.chronicle.tell(What::Warning {
            text: format!(
                "GRUB on this image is too old for proxyDHCP: it asks the server that gave the address for its menu, {what}. \
                 For those, have the other server say \"next-server {server}; filename {file}\", or put the machines and \
                 this computer on a switch of their own"
            ),
        });
    }

    /// Tells once of a UEFI machine that is led by iPXE to a kernel which iPXE cannot start there. It is led there all the
    /// same: then its screen says what to do.
    fn tell_of_old_kernel(&self, client: &Client, programs: &FirstPrograms, boot_file: &BootFile) {
        let (BootFile::Name(name) | BootFile::Url(name)) = boot_file else { return };
        let Some(arch) = client.arch.filter(|arch| arch.is_uefi()) else { return };
        let site = self.catalog.site();
        let is_ipxe = matches!(client.firmware, Firmware::Ipxe { .. })
            || programs.given_ipxe.contains(&arch)
            || programs.built_in.get(&arch).is_some_and(|program| name.ends_with(program));
        let bound = self.catalog.image_for(client.mac);
        let image = bound.as_ref().and_then(|id| site.image(id)).or(site.only_image());
        let is_told_of = |image: &&site::Image| is_ipxe && image.needs_bios_or_grub();
        // Who it is comes before what is wrong with it.
        let Some(image) = image.filter(is_told_of).filter(|_| self.chronicle.has_met(client.mac)) else {
            return;
        };
        let mut misfits = self.misfits.lock().unwrap_or_else(PoisonError::into_inner);
        if misfits.len() < MAX_MISFITS && misfits.insert(client.mac) {
            let reason = format!(
                "{} does not start on it: its kernel is no EFI program, and this machine started by UEFI. Set it to BIOS \
                 (legacy, CSM) in its setup, or start pxego with a GRUB 2 as Debian and Ubuntu have it: --loader \
                 x64=grubnetx64.efi",
                image.title
            );
            self.chronicle.tell_of(client.mac, None, What::NothingToBoot { reason });
        }
    }

    /// The built-in loader takes the place of PXELINUX, if there is one.
    fn without_pxelinux(&self, client: &Client, programs: &FirstPrograms, error: &NotUnpacked) -> BootFile {
        if !error.may_pass && !self.pxelinux_is_broken.swap(true, Ordering::Relaxed) {
            self.chronicle.tell(What::Warning {
                text: format!(
                    "pxelinux.0 cannot be taken from the image: {error}. The image may be damaged: compare its \
                     checksum with the publisher's"
                ),
            });
        }
        let mut programs = programs.clone();
        programs.image.remove(&Arch::Bios);
        select::boot_file(self.catalog.site(), &programs, client)
    }
}

impl BootInfo for Offer {
    fn boot_file(&self, client: &Client) -> BootFile {
        let programs = self.programs_for(client);
        let chosen = self.choose(client, programs);
        self.tell_of_old_kernel(client, programs, &chosen);
        chosen
    }

    fn proxy_boot_file(&self, client: &Client) -> BootFile {
        self.tell_of_old_grub(client);
        let programs = self.programs_for(client).beside_another_server();
        let chosen = self.choose(client, &programs);
        self.tell_of_old_kernel(client, &programs, &chosen);
        chosen
    }

    fn host_name(&self, client: &Client) -> Option<String> {
        self.chronicle.name_of(client)
    }

    fn has_file(&self, name: &str) -> bool {
        let Ok(name) = normalise(name.as_bytes()) else { return false };
        let request = Request {
            name: &name,
            peer: Ipv4Addr::UNSPECIFIED,
            protocol: Protocol::Tftp,
            serial: None,
            cards: &[],
        };
        matches!(self.catalog.find(&request), Found::Content(_))
    }
}
