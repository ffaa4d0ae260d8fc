//! Packages made by `rpmbuild`, sound and damaged.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use super::rpm::Package;
use super::testing::{Recipe, build, build_deb, syslinux_files};
use super::{Limits, PackageError};
use crate::image::FileData;

/// Every payload that rpmbuild of Debian 12 writes and that we read.
const PAYLOADS: [&str; 8] =
    ["w9.gzdio", "w9.bzdio", "w2.xzdio", "w6T2.xzdio", "w6.lzdio", "w3.zstdio", "w19.zstdio", "w.ufdio"];

fn recipe<'a>(payload: &'a str, files: &'a [(String, Vec<u8>)]) -> Recipe<'a> {
    Recipe { name: "syslinux-tftpboot", version: "6.04", release: "0.20.el9", payload, files }
}

fn is_loader(name: &str) -> bool {
    name.ends_with(".0") || name.ends_with(".c32")
}

fn extract(rpm: Vec<u8>) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
    Package::open(&FileData::from_bytes(rpm))?.extract(&is_loader, Limits::default())
}

/// PXELINUX as the syslinux packages lay it out, and some files that are not wanted.
fn layout() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (name, bytes) in syslinux_files() {
        files.push((format!("usr/share/syslinux/{name}"), bytes.clone()));
        files.push((format!("tftpboot/{name}"), bytes));
    }
    files.push(("usr/share/doc/syslinux/README".to_owned(), b"read me\n".repeat(1000)));
    files.push(("usr/share/doc/syslinux/empty.c32".to_owned(), Vec::new()));
    files
}

#[test]
fn every_payload_gives_the_files_byte_for_byte() {
    let files = layout();
    let expected: BTreeMap<_, _> = files.iter().filter(|(name, _)| is_loader(name)).cloned().collect();
    assert!(expected.len() > 100, "pxelinux and syslinux-common are installed");
    for payload in PAYLOADS {
        let data = FileData::from_bytes(build(&recipe(payload, &files)));
        let package = Package::open(&data).unwrap();
        assert_eq!(package.full_name(), "syslinux-tftpboot-6.04-0.20.el9.noarch", "{payload}");
        let found = package.extract(&is_loader, Limits::default()).unwrap();
        assert!(found == expected, "{payload}: {:?}", found.keys());
    }
}

#[test]
fn hard_links_all_get_the_bytes() {
    // Only the last of the links carries the bytes, as cpio(5) has it and rpmbuild writes it.
    let files = [("a/one.0".to_owned(), b"linked".to_vec()), ("a/two.0".to_owned(), b"linked".to_vec())];
    let mut archive = Vec::new();
    for (index, (name, bytes)) in files.iter().enumerate() {
        let body: &[u8] = if index == 1 { bytes } else { b"" };
        archive.extend(newc(name, body, 7, 2, body.len() as u64));
    }
    archive.extend(newc("TRAILER!!!", b"", 0, 1, 0));
    let found = super::cpio::extract(&archive[..], &|_| true, &|_| false, Limits::default()).unwrap();
    assert_eq!(found, files.clone().into_iter().collect());
    let found =
        super::cpio::extract(&archive[..], &|name| name == "a/one.0", &|_| false, Limits::default()).unwrap();
    assert_eq!(found, files.into_iter().take(1).collect(), "the bytes come with a link that is not wanted");
}

/// One cpio entry, written from cpio(5).
fn newc(name: &str, body: &[u8], inode: u32, links: u32, size: u64) -> Vec<u8> {
    let mut entry = format!(
        "070701{inode:08x}{:08x}{:08x}{:08x}{links:08x}{:08x}{size:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}",
        0o100_644,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        name.len() + 1,
        0
    )
    .into_bytes();
    entry.extend(name.bytes());
    entry.push(0);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry.extend(body);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry
}

#[test]
fn an_archive_that_promises_too_much_is_refused() {
    let limits = Limits { file_bytes: 10, total_bytes: 15, payload_bytes: 2000 };
    let trailer = newc("TRAILER!!!", b"", 0, 1, 0);
    let two = [newc("a", &[1; 10], 1, 1, 10), newc("b", &[1; 10], 2, 1, 10), trailer.clone()].concat();
    let unwanted = [newc("skip", &[1; 2000], 1, 1, 2000), trailer.clone()].concat();
    let long_name = [newc(&"n".repeat(5000), b"", 1, 1, 0), trailer].concat();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("file too large", newc("a", &[1; 11], 1, 1, 11), "limit of 10"),
        ("4 GiB promised, nothing there", newc("a", b"", 1, 1, 0xffff_ffff), "limit of 2000"),
        ("two files over the total", two, "limit of 15"),
        ("unwanted bytes count", unwanted, "limit of 2000"),
        ("a name of 5000 bytes", long_name, "out of bounds"),
        ("no trailer", newc("a", &[1; 10], 1, 1, 10), "damaged payload"),
    ];
    for (name, archive, expected) in cases {
        let error =
            super::cpio::extract(&archive[..], &|name| name != "skip", &|_| false, limits).unwrap_err();
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
}

#[test]
fn a_payload_that_unpacks_to_too_much_is_stopped() {
    // 3 MiB of zeros pack to a few hundred bytes.
    let rpm = build(&recipe("w9.gzdio", &[("tftpboot/zeros".to_owned(), vec![0; 3 << 20])]));
    assert!(rpm.len() < 100_000);
    let package = Package::open(&FileData::from_bytes(rpm)).unwrap();
    let limits = Limits { payload_bytes: 1 << 20, ..Limits::default() };
    let error = package.extract(&is_loader, limits).unwrap_err();
    assert!(matches!(error, PackageError::TooLarge { limit: 0x10_0000, .. }), "{error}");
}

#[test]
fn what_is_not_a_package_says_so() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty", b"", "ends inside its headers"),
        ("a zip file", b"PK\x03\x04....", "not an RPM package: it begins with [50, 4b, 03, 04]"),
        ("only a lead", &[[0xed, 0xab, 0xee, 0xdb].as_slice(), &[0; 92]].concat(), "ends inside its headers"),
        ("no header after the lead", &[[0xed, 0xab, 0xee, 0xdb].as_slice(), &[0; 200]].concat(), "no header"),
    ];
    for (name, bytes, expected) in cases {
        let error = extract(bytes.to_vec()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn damaged_payloads_are_errors_and_never_wrong_bytes() {
    let mut noise = 0x2545_f491_u32;
    let mut next = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        noise
    };
    let body: Vec<u8> = (0..6000).map(|_| (next() % 7) as u8 + b'a').collect();
    let files = [("tftpboot/pxelinux.0".to_owned(), body.clone())];
    for payload in PAYLOADS {
        let rpm = build(&recipe(payload, &files));
        let sound = extract(rpm.clone()).unwrap();
        assert_eq!(sound["tftpboot/pxelinux.0"], body);
        // The payload is the tail: 6000 bytes of 2.8 bits each.
        let tail = rpm.len() - 1500;
        assert!(extract(rpm[..tail].to_vec()).is_err(), "{payload}: cut off");
        for at in rpm.len() - 2500..rpm.len() {
            let mut broken = rpm.clone();
            broken[at] ^= 1 << (next() % 8);
            // Whatever the packing: the header has the file's checksum. Padding at the end is nobody's.
            if let Ok(found) = extract(broken) {
                assert!(found == sound, "{payload}, {at} of {}: a flipped bit went unseen", rpm.len());
            }
        }
    }
}

#[test]
fn a_damaged_name_is_an_error_although_nothing_else_is() {
    // Not packed, the payload has no checksum of its own.
    let sound = build(&recipe("w.ufdio", &[("tftpboot/pxelinux.0".to_owned(), vec![b'x'; 100])]));
    let at = sound.windows(8).rposition(|window| window == b"pxelinux").unwrap();
    for (offset, byte, expected) in
        [(0, b'P', "tftpboot/Pxelinux.0 is not what"), (9, b'x', "tftpboot/pxelinux.0 is not what")]
    {
        let mut broken = sound.clone();
        broken[at + offset] = byte;
        let error = extract(broken).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_ghost_is_on_the_list_and_in_no_payload() {
    let files = [("a.0".to_owned(), vec![1; 10]), ("%ghost b.0".to_owned(), vec![2; 10])];
    let found = extract(build(&recipe("w9.gzdio", &files))).unwrap();
    assert_eq!(found.into_keys().collect::<Vec<_>>(), ["a.0"]);
}

#[test]
fn flipped_bits_anywhere_never_panic() {
    let files = [("tftpboot/pxelinux.0".to_owned(), b"0123456789".repeat(30))];
    for payload in PAYLOADS {
        let rpm = build(&recipe(payload, &files));
        for at in 0..rpm.len() {
            let mut broken = rpm.clone();
            broken[at] ^= 0x81;
            let _ = extract(broken);
        }
    }
}

/// A list of files in the header lets the rest of the payload be.
#[test]
fn what_follows_the_last_wanted_file_is_not_read() {
    let mut noise = 1_u32;
    let body: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(2 << 20)
    .collect();
    let files =
        [("tftpboot/pxelinux.0".to_owned(), b"first".to_vec()), ("usr/share/behind".to_owned(), body)];
    // The zstd decoder looks ahead by a window, which is larger than this.
    for payload in PAYLOADS.iter().filter(|payload| !payload.contains("zst")) {
        let rpm = build(&recipe(payload, &files));
        let cut = rpm[..rpm.len() - (1 << 20)].to_vec();
        assert_eq!(extract(cut).unwrap().len(), 1, "{payload}");
    }
}

/// As many empty gzip members as fit: each costs time, none gives a byte.
#[test]
fn packed_bytes_that_unpack_to_nothing_come_to_an_end() {
    let rpm = build(&recipe("w9.gzdio", &[("tftpboot/pxelinux.0".to_owned(), vec![1; 100])]));
    let magic = [0x1f, 0x8b, 8];
    let payload = rpm.windows(3).rposition(|bytes| bytes == magic).unwrap();
    // An empty member: header, one final block of no bytes, checksum and length (RFC 1952 §2.3, RFC 1951 §3.2.4).
    let empty = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0";
    let bomb = [&rpm[..payload], &empty.repeat(10_000)].concat();
    let package = Package::open(&FileData::from_bytes(bomb)).unwrap();
    let limits = Limits { payload_bytes: 100_000, ..Limits::default() };
    let error = package.extract(&is_loader, limits).unwrap_err();
    assert!(error.to_string().contains("more packed bytes"), "{error}");
}

/// As Debian 6 to 13 and Ubuntu pack; `dpkg-deb` is the stranger that made them.
#[test]
fn debian_packages_give_the_files_byte_for_byte() {
    let mut files = layout();
    files.push((format!("usr/share/{}/long.c32", "n".repeat(150)), b"a long name".to_vec()));
    let expected: BTreeMap<_, _> = files.iter().filter(|(name, _)| is_loader(name)).cloned().collect();
    for packing in ["none", "gzip", "xz", "zstd"] {
        let data = FileData::from_bytes(build_deb("pxelinux", packing, &files));
        let found = super::extract("pool/p_1_all.deb", &data, &is_loader, Limits::default()).unwrap();
        assert!(found == expected, "{packing}: {:?}", found.keys());
    }
}

#[test]
fn a_debian_package_with_a_flipped_bit_never_gives_wrong_bytes() {
    let body: Vec<u8> = (0..3000_u32).map(|at| (at * 7 % 251) as u8).collect();
    let files = [("usr/lib/PXELINUX/pxelinux.0".to_owned(), body)];
    for packing in ["none", "gzip", "xz", "zstd"] {
        let deb = build_deb("pxelinux", packing, &files);
        let extract = |deb: Vec<u8>| {
            super::deb::Package::open(&FileData::from_bytes(deb))?.extract(&is_loader, Limits::default())
        };
        let sound = extract(deb.clone()).unwrap();
        assert_eq!(sound.len(), 1);
        let step = deb.len().div_ceil(400);
        for at in (0..deb.len()).step_by(step) {
            let mut broken = deb.clone();
            broken[at] ^= 0x10;
            // Where the list of checksums or the name itself is hit, the file is not found, or not compared.
            if let Ok(found) = extract(broken) {
                for bytes in found.values() {
                    assert!(*bytes == files[0].1, "{packing}: byte {at} of {}", deb.len());
                }
            }
        }
    }
}

#[test]
fn what_is_not_a_debian_package_says_so() {
    let deb = build_deb("p", "none", &[("usr/lib/PXELINUX/pxelinux.0".to_owned(), vec![1])]);
    let mut version = deb.clone();
    version[68] = b'3';
    let mut suffix = deb.clone();
    let at = suffix.windows(8).rposition(|bytes| bytes == b"data.tar").unwrap();
    suffix[at + 8..at + 12].copy_from_slice(b".rar");
    let cases: [(&str, &[u8], &str); 6] = [
        ("an RPM", &[0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 1], "not a Debian package"),
        ("another archive", b"!<arch>\n", "debian-binary is not its first member"),
        ("of a later format", &version, "in the format \"3.0\""),
        ("cut off in a head", &deb[..100], "ends inside its headers"),
        ("cut off in its data", &deb[..deb.len() - 600], "runs over its end"),
        ("packed strangely", &suffix, "packed as \".rar\"; pxego unpacks"),
    ];
    for (case, bytes, expected) in cases {
        let data = FileData::from_bytes(bytes.to_vec());
        let error = super::extract("p.deb", &data, &is_loader, Limits::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{case}: {error}");
    }
}
