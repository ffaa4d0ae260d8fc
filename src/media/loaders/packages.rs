//! shim and GRUB in the packages on an image.
//!
//! Debian's and Ubuntu's discs boot a GRUB that has no network; the one for the network lies in a package of theirs, and so
//! does a shim. Which packages there are is told by their names; nothing is unpacked before a machine asks.

use std::collections::BTreeMap;

use super::pe::{self, Signature};
use super::scan::Package;
use super::set::Set;
use super::uefi::{self, Names, UefiArch, UefiKind, UefiLoader};
use crate::image::FileData;
use crate::order;
use crate::package::{self, Limits, PackageError};

/// Where one distribution packs the loaders of an architecture. A name that ends in `*` may go on.
struct Layout {
    arch: UefiArch,
    /// Packages that are needed, and those that shim's helpers are in, which may be missing.
    shim: &'static str,
    grub: &'static str,
    helpers: &'static [&'static str],
    /// Where the programs are, the preferred file first.
    shim_paths: &'static [&'static str],
    grub_paths: &'static [&'static str],
}

/// Debian's `grubnet*` and Ubuntu's have the prefix `/grub` and fetch by TFTP; Red Hat's is the one that is on the discs.
const LAYOUTS: [Layout; 5] = [
    Layout {
        arch: UefiArch::X64,
        shim: "shim-signed",
        grub: "grub-efi-amd64-signed",
        helpers: &["shim-helpers-amd64-signed"],
        shim_paths: &["usr/lib/shim/shimx64.efi.signed.latest", "usr/lib/shim/shimx64.efi.signed"],
        grub_paths: &["usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"],
    },
    Layout {
        arch: UefiArch::Aa64,
        shim: "shim-signed",
        grub: "grub-efi-arm64-signed",
        helpers: &["shim-helpers-arm64-signed"],
        shim_paths: &["usr/lib/shim/shimaa64.efi.signed.latest", "usr/lib/shim/shimaa64.efi.signed"],
        grub_paths: &["usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed"],
    },
    Layout {
        arch: UefiArch::X64,
        shim: "shim-x64",
        grub: "grub2-efi-x64",
        helpers: &[],
        shim_paths: &["boot/efi/EFI/*/shimx64.efi"],
        grub_paths: &["boot/efi/EFI/*/grubx64.efi"],
    },
    Layout {
        arch: UefiArch::Aa64,
        shim: "shim-aa64",
        grub: "grub2-efi-aa64",
        helpers: &[],
        shim_paths: &["boot/efi/EFI/*/shimaa64.efi"],
        grub_paths: &["boot/efi/EFI/*/grubaa64.efi"],
    },
    Layout {
        arch: UefiArch::Ia32,
        shim: "shim-ia32",
        grub: "grub2-efi-ia32",
        helpers: &[],
        shim_paths: &["boot/efi/EFI/*/shimia32.efi"],
        grub_paths: &["boot/efi/EFI/*/grubia32.efi"],
    },
];

/// The packages that may have something of ours.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LAYOUTS.iter().flat_map(|it| [it.shim, it.grub].into_iter().chain(it.helpers.iter().copied()))
}

/// The loader of one architecture from the packages on the image, still packed.
pub(super) fn find(packages: &[Package], names: &'static Names) -> Option<(UefiLoader, Set)> {
    let layout = LAYOUTS
        .iter()
        .filter(|layout| layout.arch == names.arch)
        .find_map(|layout| Some((layout, newest(packages, layout.shim)?, newest(packages, layout.grub)?)));
    let (layout, shim, grub) = layout?;
    let helpers = layout.helpers.iter().filter_map(|name| newest(packages, name));
    let sources: Vec<(String, FileData)> =
        [shim, grub].into_iter().chain(helpers).map(|it| (it.path.clone(), it.data.clone())).collect();
    let served = Served {
        boot: format!("boot{}.efi", names.suffix),
        grub: format!("grub{}.efi", names.suffix),
        helpers: ["mm", "fb"].map(|it| format!("{it}{}.efi", names.suffix)),
    };
    let all = [&served.boot, &served.grub, &served.helpers[0], &served.helpers[1]].map(String::as_str);
    let paths: Vec<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
    let origin = paths.join(", ");
    let (boot, grub) = (served.boot.clone(), served.grub.clone());
    let media: Vec<FileData> = sources.iter().map(|(_, data)| data.clone()).collect();
    let is_suspect = move || media.iter().any(|data| data.source().is_suspect());
    let packed = (sources, served.clone());
    let unpack = move || unpack(&packed.0, layout, &packed.1);
    let set = Set::packed(names.suffix, &all, unpack, is_suspect);
    let loader = UefiLoader {
        arch: names.arch,
        kind: UefiKind::Grub2,
        directory: set.directory.clone(),
        shim: Some(format!("{}/{boot}", set.directory)),
        grub: format!("{}/{grub}", set.directory),
        // That is only known when it is unpacked, and Debian's cannot.
        speaks_http: false,
        knows_proxy: false,
        evidence: format!("packages of shim and GRUB: {origin}"),
        origin,
        signature: Signature::NotUnpacked,
        grub_signature: Signature::NotUnpacked,
    };
    Some((loader, set))
}

/// What the programs are called where they are served: as shim asks for them.
#[derive(Clone)]
struct Served {
    boot: String,
    grub: String,
    helpers: [String; 2],
}

/// The newest package of a name.
fn newest<'a>(packages: &'a [Package], name: &str) -> Option<&'a Package> {
    packages.iter().filter(|it| it.name() == name).max_by(|left, right| left.age(right))
}

/// Unpacks shim, GRUB and what shim may ask for, and checks that they belong together.
fn unpack(
    sources: &[(String, FileData)],
    layout: &Layout,
    served: &Served,
) -> Result<BTreeMap<String, FileData>, PackageError> {
    let helper = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".signed").unwrap_or(name);
        served.helpers.iter().find(|helper| *helper == name).cloned()
    };
    let is_one_of = |patterns: &[&str], path: &str| patterns.iter().any(|pattern| matches(pattern, path));
    let is_program = |path: &str| {
        is_one_of(layout.shim_paths, path) || is_one_of(layout.grub_paths, path) || helper(path).is_some()
    };
    let mut files = BTreeMap::new();
    for (path, data) in sources {
        let found = package::extract(path, data, &is_program, Limits::default());
        let found = found.map_err(|error| PackageError::In { path: path.clone(), error: Box::new(error) })?;
        files.extend(found);
    }
    let first = |patterns: &[&str]| {
        let of_pattern = |pattern: &&str| files.iter().find(|(path, _)| matches(pattern, path));
        patterns.iter().find_map(of_pattern)
    };
    let missing = |what: &str| {
        let paths: Vec<&str> = sources.iter().map(|(path, _)| path.as_str()).collect();
        PackageError::Missing(format!("{what} in {}", paths.join(", ")))
    };
    let (shim_path, shim) = first(layout.shim_paths).ok_or_else(|| missing("shim"))?;
    let (grub_path, grub) = first(layout.grub_paths).ok_or_else(|| missing("GRUB for the network"))?;
    if pe::trusts(shim, grub) == Some(false) || vendor(shim_path) != vendor(grub_path) {
        return Err(missing("GRUB that this shim starts"));
    }
    if !uefi::names_in_utf16(shim, &served.grub) || !uefi::may_use_network(grub) {
        return Err(missing("GRUB for the network that shim names"));
    }
    let helpers = files.iter().filter_map(|(path, bytes)| Some((helper(path)?, bytes)));
    let programs = helpers.chain([(served.boot.clone(), shim), (served.grub.clone(), grub)]);
    Ok(order::map(programs.map(|(name, bytes)| (name, FileData::from_bytes(bytes.clone())))))
}

/// The vendor's directory below `EFI`, where a path has one.
fn vendor(path: &str) -> Option<&str> {
    path.split_once("/EFI/")?.1.split('/').next()
}

/// Whether a path fits a pattern; a `*` stands for one component.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if pattern == "*" || pattern == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_component() {
        let pattern = "boot/efi/EFI/*/shimx64.efi";
        for (path, fits) in [
            ("boot/efi/EFI/centos/shimx64.efi", true),
            ("boot/efi/EFI/centos/x/shimx64.efi", false),
            ("boot/efi/EFI/shimx64.efi", false),
            ("boot/efi/EFI/centos/shimx64.efi.x", false),
        ] {
            assert_eq!(matches(pattern, path), fits, "{path}");
        }
        assert_eq!(vendor("boot/efi/EFI/centos/shimx64.efi"), Some("centos"));
    }
}
