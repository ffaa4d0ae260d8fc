//! What a person wants to know of an image: what it is, what boots on it, and what is missing.

use super::embedded::{Embedded, Role};
use super::entries;
use super::entry::{AnswerKind, EntryKind};
use super::loaders::{BiosSource, Loaders, Signature, UefiArch, UefiKind, UefiLoader};
use super::parts::Medium;
use super::recognise::Media;
use crate::order;

/// A machine that may stand on the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// x86 with a BIOS.
    Bios,
    /// 64-bit x86 with UEFI.
    X64,
    /// 32-bit x86 with UEFI.
    Ia32,
    /// 64-bit Arm with UEFI.
    Arm64,
}

impl Firmware {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::X64 => "UEFI x64",
            Self::Ia32 => "UEFI ia32",
            Self::Arm64 => "UEFI arm64",
        }
    }

    /// As `--loader` calls it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Bios => "bios",
            Self::X64 => "x64",
            Self::Ia32 => "ia32",
            Self::Arm64 => "arm64",
        }
    }

    fn of(arch: UefiArch) -> Self {
        match arch {
            UefiArch::X64 => Self::X64,
            UefiArch::Ia32 => Self::Ia32,
            UefiArch::Aa64 => Self::Arm64,
        }
    }

    /// What an image of this architecture, in anaconda's words, should boot on.
    fn expected(arch: &str) -> &'static [Self] {
        match arch {
            "x86_64" => &[Self::Bios, Self::X64],
            "aarch64" => &[Self::Arm64],
            _ if is_ia32(arch) => &[Self::Bios],
            _ => &[],
        }
    }
}

fn is_ia32(arch: &str) -> bool {
    matches!(arch, "i386" | "i486" | "i586" | "i686")
}

/// What boots on one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// On which.
    pub firmware: Firmware,
    /// The first program, as it is served.
    pub loader: String,
    /// Where it comes from, for people.
    pub origin: String,
    /// Whether it is built into this program, not on the image.
    pub is_built_in: bool,
    /// Whether it boots while Secure Boot is on, and by whose signature.
    pub secure_boot: Option<String>,
    /// Whether it boots by UEFI HTTP Boot.
    pub http_boot: bool,
}

/// Something that an image offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Short name.
    pub id: String,
    /// What a person reads.
    pub title: String,
    /// What it does.
    pub kind: EntryKind,
    /// What a person has to know before.
    pub note: Option<String>,
}

/// What is known of an image that machines can be booted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What a person calls it.
    pub name: String,
    /// Its family's short name.
    pub family: String,
    /// Whether that is one of the table, so that it is known to work over the network.
    pub known: bool,
    /// The product alone.
    pub product: String,
    /// The release; `None` when nothing tells.
    pub version: Option<String>,
    /// The architecture.
    pub arch: String,
    /// What it carries.
    pub medium: Medium,
    /// What all this was concluded from.
    pub evidence: Vec<String>,
    /// What boots on which machines.
    pub boots: Vec<Boot>,
    /// Which loaders of its own it does not have, or not for a network, and why; one sentence each.
    pub no_loaders: Vec<String>,
    /// Its menu.
    pub offers: Vec<Offer>,
    /// The answer file it takes.
    pub answer: AnswerKind,
    /// Memory that a machine needs, in MiB.
    pub memory_mib: u32,
    /// Where packages are, as paths; the root is the empty one.
    pub repositories: Vec<String>,
    /// What a person has to know; one sentence each.
    pub notes: Vec<String>,
    /// What is missing, and what to do about it; one sentence each. Nothing when all is well.
    pub missing: Vec<String>,
}

impl Report {
    /// What there is to say of `media` with its `loaders`, and with what is built in. Unpacks loaders, to see whether that can
    /// be done: some 100 ms.
    pub fn new(media: &Media, loaders: &Loaders, built_in: &[Embedded]) -> Self {
        let mut notes = media.notes.clone();
        let mut missing = Vec::new();
        let mut boots: Vec<Boot> = of_image(loaders, &mut missing);
        let by_ipxe: Vec<Boot> = built_in.iter().map(of_built_in).collect();
        let wanted = |firmware: &Firmware| Firmware::expected(&media.arch).contains(firmware);
        let starts = |firmware: Firmware| firmware == Firmware::Bios || !media.lacks_efi_stub;
        for boot in by_ipxe.into_iter().filter(|boot| wanted(&boot.firmware) && starts(boot.firmware)) {
            let others = || boots.iter().filter(|other| other.firmware == boot.firmware);
            // Beside a GRUB that only knows TFTP it is there for machines that boot by HTTP.
            if others().all(|other| boot.http_boot && !other.http_boot) {
                boots.push(boot);
            }
        }
        order::by_key(&mut boots, |boot| boot.firmware as u8);
        for firmware in Firmware::expected(&media.arch) {
            if boots.iter().any(|boot| boot.firmware == *firmware) {
                continue;
            }
            if !starts(*firmware) {
                notes.push(format!(
                    "On {} machines it does not start: its kernel is no EFI program, as iPXE needs, and there is no GRUB 2 \
                     on it. Set them to BIOS (legacy, CSM) in their setup, or give a GRUB 2 as Debian and Ubuntu have it, with \
                     --loader {}=FILE.",
                    firmware.name(),
                    firmware.key()
                ));
            } else {
                missing.push(format!(
                    "a loader for {} machines: none on the image, none built in; give one with --loader {}=FILE",
                    firmware.name(),
                    firmware.key()
                ));
            }
        }
        if media.medium == Medium::NetworkInstall && media.answer == AnswerKind::Kickstart {
            notes.push(
                "It has no packages: give the DVD of the same release too (--iso), or name a mirror (--mirror URL, or \
                 \"url\" in the kickstart)."
                    .to_owned(),
            );
        }
        let unsigned: Vec<&str> = Firmware::expected(&media.arch)
            .iter()
            .filter(|firmware| {
                let mut of_it = boots.iter().filter(|boot| boot.firmware == **firmware).peekable();
                **firmware != Firmware::Bios
                    && of_it.peek().is_some()
                    && of_it.all(|boot| boot.secure_boot.is_none())
            })
            .map(|firmware| firmware.name())
            .collect();
        if !unsigned.is_empty() {
            notes.push(format!(
                "Switch Secure Boot off in machines with {}: no loader for them is signed.",
                unsigned.join(" or ")
            ));
        }
        // Nobody looks for one on an image for Arm.
        let is_wanted = |text: &&String| {
            !text.starts_with("BIOS: ") || Firmware::expected(&media.arch) != [Firmware::Arm64]
        };
        let offers = media.entries.iter().map(|entry| Offer {
            id: entry.id.clone(),
            title: entry.title.clone(),
            kind: entry.kind,
            // What all of them say of an unknown image stands in the notes, once.
            note: match &entry.note {
                Some(note) if !media.known => note.strip_prefix(entries::NOT_KNOWN).and_then(more),
                note => note.clone(),
            },
        });
        Self {
            name: media.name.clone(),
            family: media.family.id.to_string(),
            known: media.known,
            product: media.product.clone(),
            version: media.version.clone(),
            arch: media.arch.clone(),
            medium: media.medium,
            evidence: media.evidence.clone(),
            boots,
            no_loaders: loaders.missing.iter().filter(|text| is_wanted(text)).cloned().collect(),
            offers: offers.collect(),
            answer: media.answer,
            memory_mib: media.memory_mib(),
            repositories: media.repositories.clone(),
            notes,
            missing,
        }
    }
}

/// What a note goes on with after what all have in common.
fn more(rest: &str) -> Option<String> {
    let rest = rest.trim_start_matches([';', ' ']);
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// What the image's own loaders boot. What is wrong with one that is there goes to `missing`.
fn of_image(loaders: &Loaders, missing: &mut Vec<String>) -> Vec<Boot> {
    let mut boots = Vec::new();
    if let Some(bios) = &loaders.bios {
        let places: Vec<&str> = bios.sources().map(BiosSource::path).collect();
        match bios.extract() {
            Ok(_) => boots.push(Boot {
                firmware: Firmware::Bios,
                loader: "pxelinux.0".to_owned(),
                origin: places.join(", "),
                is_built_in: false,
                secure_boot: None,
                http_boot: false,
            }),
            Err(error) => missing.push(format!(
                "PXELINUX, which should be in {}: {error}; compare the image's checksum with the publisher's, or give one \
                 with --loader bios=FILE",
                places.join(", ")
            )),
        }
    }
    let prepare = loaders.preparer();
    // EL6's GRUB 0.97 gets no menu from us; iPXE does the same and more.
    for loader in loaders.uefi.iter().filter(|loader| loader.kind == UefiKind::Grub2) {
        let firmware = Firmware::of(loader.arch);
        match prepare(loader.arch) {
            Ok(()) => boots.push(of_uefi(firmware, loader, loaders)),
            Err(error) => missing.push(format!(
                "the loader for {} machines of {}: {error}; give another with --loader {}=FILE",
                firmware.name(),
                loader.origin,
                firmware.key()
            )),
        }
    }
    boots
}

fn of_uefi(firmware: Firmware, loader: &UefiLoader, loaders: &Loaders) -> Boot {
    // Without shim, firmware takes what is signed by whom it knows; what that is only the firmware knows.
    let secure_boot = match loaders.signature(loader) {
        Signature::By(name) => Some(name),
        Signature::None | Signature::Unreadable | Signature::NotUnpacked => None,
    };
    Boot {
        firmware,
        loader: loader.first().to_owned(),
        origin: loader.origin.clone(),
        is_built_in: false,
        secure_boot,
        http_boot: loader.speaks_http,
    }
}

fn of_built_in(loader: &Embedded) -> Boot {
    let firmware = match loader.role {
        Role::Bios => Firmware::Bios,
        Role::X64 => Firmware::X64,
        Role::Arm64 => Firmware::Arm64,
    };
    Boot {
        firmware,
        loader: loader.name.to_owned(),
        origin: "built into pxego".to_owned(),
        is_built_in: true,
        secure_boot: None,
        http_boot: firmware != Firmware::Bios,
    }
}

#[cfg(test)]
#[path = "tests/report.rs"]
mod tests;
