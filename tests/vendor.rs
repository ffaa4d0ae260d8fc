//! The loaders that are built in: the manifest, how they are found, and that what is in is what is printed.

#[path = "../build/collect.rs"]
mod collect;
#[path = "../build/manifest.rs"]
mod manifest;
#[path = "../build/sha256.rs"]
mod sha256;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use collect::Source;
use pxego::media::embedded;

fn manifest_text() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("vendor/manifest.toml"))
        .expect("a manifest")
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vendor-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The head of an EFI program for `machine`.
fn efi(machine: u16) -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(60, 0);
    bytes.extend(128_u32.to_le_bytes());
    bytes.resize(128, 0);
    bytes.extend(b"PE\0\0");
    bytes.extend(machine.to_le_bytes());
    bytes.resize(4096, 7);
    bytes
}

#[test]
fn checksums_are_the_standards() {
    // FIPS 180-2, appendix B, and the empty message (NIST CAVP, SHA256ShortMsg).
    for (message, expected) in [
        (vec![], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc".to_vec(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".to_vec(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ] {
        assert_eq!(sha256::hex(&message), expected, "{} bytes", message.len());
    }
}

#[test]
fn checksums_are_those_of_sha256sum_around_every_block_boundary() {
    let bytes: Vec<u8> = (0..=255).collect();
    for len in [1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 121, 127, 128, 129, 255] {
        let mut child = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sha256sum of coreutils");
        child.stdin.take().expect("a pipe").write_all(&bytes[..len]).expect("it reads");
        let output = child.wait_with_output().expect("it ends").stdout;
        assert_eq!(sha256::hex(&bytes[..len]).as_bytes(), &output[..64], "{len} bytes");
    }
}

#[test]
fn the_manifest_has_every_role_once() {
    let loaders = manifest::parse(&manifest_text()).expect("it is understood");
    let roles: Vec<_> = loaders.iter().map(|loader| loader.role.as_str()).collect();
    assert_eq!(roles, manifest::ROLES);
    let debian = loaders[0].packages.first().expect("a package");
    assert_eq!((debian.systems.as_str(), debian.name.as_str()), ("Debian, Ubuntu", "ipxe"));
    assert_eq!(debian.paths, [PathBuf::from("/usr/lib/ipxe/undionly.kpxe")]);
}

#[test]
fn a_manifest_with_a_mistake_is_refused_with_the_place() {
    let good = "[[loader]]\nrole = \"bios\"\nfile = \"a\"\nlicence = \"MIT\"\n[[loader.package]]\nsystems = \"S\"\n\
                name = \"n\"\npaths = [\n  \"/a\", # one\n  \"/b\",\n]\n";
    let loaders = manifest::parse(good).expect("it is understood");
    assert_eq!(loaders[0].packages[0].paths, [PathBuf::from("/a"), PathBuf::from("/b")]);
    for (from, to, named) in [
        ("role =", "rule =", "line 2"),
        ("\"MIT\"", "MIT", "line 4"),
        ("licence = \"MIT\"\n", "licence = \"MIT\"\nlicence = \"X\"\n", "line 5"),
        ("licence = \"MIT\"\n", "", "licence"),
        ("\"bios\"", "\"bois\"", "role"),
        ("\"bios\"", "[\"bios\"]", "line 2"),
        ("\"a\"", "\"../a\"", "folders"),
        ("\"a\"", "\"a\\\\u0062\"", "line 3"),
        ("\"/b\",\n]", "\"/b\",\n", "line 8"),
        ("\"/a\",", "\"a\",", "absolute"),
        ("\"/a\",", "/a,", "line 8"),
        ("[[loader]]\n", "", "line 1"),
        ("[[loader]]\n", "[[loader.package]]\n", "line 1"),
        ("[[loader]]", "[loader]", "line 1"),
        ("name = \"n\"\n", "", "packages"),
        ("name = \"n\"\n", "name\n", "line 7"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = manifest::parse(&good.replace(from, to)).expect_err(to);
        assert!(error.contains(named), "{from} -> {to}: {error}");
    }
    let twice = manifest::parse(&good.repeat(2)).expect_err("twice");
    assert!(twice.contains("twice"), "{twice}");
}

#[test]
fn the_named_folder_wins_over_the_packages_and_what_is_unfit_is_passed_over() {
    let loaders = manifest::parse(&manifest_text()).expect("it is understood");
    let (root, own) = (folder("root"), folder("own"));
    let put = |path: &str, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    };
    put("usr/lib/ipxe/undionly.kpxe", b"packaged");
    put("usr/lib/ipxe/snponly.efi", b"not a program");
    put("usr/share/ipxe/ipxe-snponly-x86_64.efi", &efi(0xAA64));
    put("usr/share/ipxe/x86_64/ipxe.efi", &efi(0x8664));
    fs::write(own.join("undionly.kpxe"), b"own").expect("a file");

    let from =
        |folder: Option<&Path>| Source::Computer { folder: folder.map(Path::to_owned), root: root.clone() };
    let bytes = |source: &Source| -> Vec<Result<Vec<u8>, String>> {
        collect::find(&loaders, source).expect("nothing is wrong").into_iter().map(|it| it.bytes).collect()
    };
    let packaged = bytes(&from(None));
    assert_eq!(packaged[0].as_deref(), Ok(&b"packaged"[..]));
    assert_eq!(packaged[1].as_deref(), Ok(&efi(0x8664)[..]));
    let remedy = packaged[2].as_ref().expect_err("there is none");
    assert!(remedy.contains("ipxe-bootimgs-aarch64 (Fedora)") && remedy.contains("build again"), "{remedy}");
    assert_eq!(bytes(&from(Some(&own)))[0].as_deref(), Ok(&b"own"[..]));
    for left_out in bytes(&Source::Nowhere) {
        assert!(left_out.expect_err("none is in").contains("PXEGO_NO_VENDOR"));
    }
    fs::write(own.join("snponly-arm64.efi"), efi(0x8664)).expect("a file");
    let Err(error) = collect::find(&loaders, &from(Some(&own))) else { panic!("another machine's program") };
    assert!(error.contains("snponly-arm64.efi: is not an EFI program for arm64"), "{error}");
}

#[test]
fn the_table_has_the_found_and_the_missing() {
    let loaders = manifest::parse(&manifest_text()).expect("it is understood");
    let (root, own, out) = (folder("empty"), folder("two"), folder("out"));
    fs::write(own.join("undionly.kpxe"), b"own").expect("a file");
    let found = collect::find(&loaders, &Source::Computer { folder: Some(own), root }).expect("found");
    collect::write(&found, &out).expect("written");
    let table = fs::read_to_string(out.join("loaders.rs")).expect("a table");
    let (embedded, absent) = table.split_once("static ABSENT").expect("two tables");
    assert!(embedded.contains("Role::Bios") && embedded.contains(&sha256::hex(b"own")), "{table}");
    assert!(absent.contains("Role::X64") && absent.contains("Role::Arm64"), "{table}");
    let mut bytes = Vec::new();
    let gzip = fs::File::open(out.join("undionly.kpxe.gz")).expect("a file");
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).expect("gzip");
    assert_eq!(bytes, b"own");
}

#[test]
fn what_is_unpacked_has_the_checksum_that_is_printed() {
    let output = Command::new(env!("CARGO_BIN_EXE_pxego")).arg("--version").output().expect("it runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let mut names = BTreeSet::new();
    for loader in embedded::embedded() {
        let bytes = loader.unpack().expect("it is whole");
        assert_eq!(sha256::hex(&bytes), loader.sha256, "{}", loader.name);
        let line = printed.lines().find(|line| line.contains(loader.name)).expect("it is printed");
        assert!(line.contains(loader.sha256) && line.contains(loader.licence), "{line}");
        names.insert(loader.name);
    }
    for absent in embedded::missing() {
        let line = printed.lines().find(|line| line.contains(absent.name)).expect("it is printed");
        assert!(line.contains("is not in") && line.contains(absent.remedy), "{line}");
        names.insert(absent.name);
    }
    let manifest = manifest::parse(&manifest_text()).expect("it is understood");
    assert_eq!(names, manifest.iter().map(|loader| loader.file.as_str()).collect());
}
