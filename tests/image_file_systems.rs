//! FAT, El Torito and UDF as strangers write them (mkfs.fat, mtools, xorriso, genisoimage, mkudffs), and as they read
//! them.
#![allow(clippy::disallowed_methods)]

#[path = "common/image_tree.rs"]
mod image_tree;
#[path = "common/netns.rs"]
mod netns;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use image_tree::noise;
use netns::run;
use pxego::image::el_torito::Platform;
use pxego::image::{FatImage, FileData, FileTree, ImageFile, IsoImage, Node, ReadAt};

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Everything in a tree: paths and bytes, `None` for directories.
type Contents = BTreeMap<String, Option<Vec<u8>>>;

/// What the files of `folder` are.
fn of_folder(folder: &Path) -> Contents {
    let mut found = Contents::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(folder.join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            let is_directory = folder.join(&path).is_dir();
            let bytes = (!is_directory).then(|| fs::read(folder.join(&path)).unwrap());
            found.insert(path.to_str().unwrap().to_owned(), bytes);
            if is_directory {
                directories.push(path);
            }
        }
    }
    found
}

/// What a tree of ours holds; every file is read where its extents say it lies in `image`.
fn of_tree(tree: &dyn FileTree, image: &Path, paths: &[String]) -> Contents {
    let file = fs::File::open(image).unwrap();
    let mut found = Contents::new();
    for path in paths {
        let node = tree.find(path.as_bytes()).unwrap_or_else(|| panic!("no {path}"));
        let bytes = match node {
            Node::Directory => None,
            Node::File(it) => {
                let (mut bytes, mut at) = (Vec::new(), 0);
                while let Some(extent) = it.data.extent_at(at) {
                    let mut piece = vec![0; extent.len as usize];
                    file.read_exact_at(&mut piece, extent.offset).unwrap();
                    bytes.extend(piece);
                    at += extent.len;
                }
                assert_eq!(bytes.len() as u64, it.data.len(), "{path}");
                Some(bytes)
            }
        };
        found.insert(path.clone(), node_is(path, tree, bytes));
    }
    found
}

/// The same is found in other letters, and listed in its directory.
fn node_is(path: &str, tree: &dyn FileTree, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
    assert!(tree.find_any_case(path.to_ascii_uppercase().as_bytes()).is_some(), "{path}");
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let listed = tree.list(directory.as_bytes()).unwrap();
    let entry = listed.iter().find(|entry| entry.name == name.as_bytes()).unwrap_or_else(|| panic!("{path}"));
    assert_eq!(
        (entry.is_directory, entry.len),
        (bytes.is_none(), bytes.as_ref().map_or(0, |it| it.len() as u64))
    );
    bytes
}

fn whole(path: &Path) -> FileData {
    let file = ImageFile::open(path).unwrap();
    let len = file.len();
    FileData::new(Arc::new(file), [pxego::image::Extent { offset: 0, len }])
}

/// Files that a stick or an EFI partition may have.
fn make_files(folder: &Path) {
    let file = |path: &str, bytes: Vec<u8>| {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    file("EFI/BOOT/BOOTX64.EFI", noise(1, 100_001));
    file("EFI/BOOT/grubx64.efi", noise(2, 65_536));
    file("EFI/fedora/A long name with blanks, and dots.in.it", noise(3, 4097));
    file("EFI/fedora/caf\u{e9} \u{65e5}\u{672c}", noise(4, 1));
    file("EFI/fedora/lower.cfg", noise(5, 511));
    file("empty", Vec::new());
    file(&format!("{}.txt", "n".repeat(200)), noise(6, 3000));
    for number in 0..300 {
        file(&format!("many/file number {number} of many"), noise(number, number * 7));
    }
}

/// Writes a FAT file system with the files of `folder`.
fn make_fat(image: &Path, bits: &str, megabytes: u64, cluster: &str, folder: &Path) {
    fs::File::create(image).unwrap().set_len(megabytes << 20).unwrap();
    run(Command::new("mkfs.fat").args(["-F", bits, "-s", cluster, "-n", "EFIBOOT"]).arg(image));
    mtools("mcopy", image, &["-s", "-Q", "-m"], folder);
    // Holes for a file in several pieces.
    for name in ["many", "EFI/fedora/lower.cfg"] {
        run(mtools_command("mdeltree", image).arg(format!("::{name}")));
    }
}

fn mtools_command(program: &str, image: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("MTOOLS_SKIP_CHECK", "1").env("LC_ALL", "C.UTF-8").arg("-i").arg(image);
    command
}

/// Copies everything in `folder` to the image.
fn mtools(program: &str, image: &Path, options: &[&str], folder: &Path) {
    let mut names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    run(mtools_command(program, image).args(options).args(names).arg("::"));
}

/// Every path of a FAT image as mtools lists it, and its bytes as mtools copies them.
fn as_mtools_reads(image: &Path, to: &Path) -> Contents {
    fs::create_dir_all(to).unwrap();
    run(mtools_command("mcopy", image).args(["-s", "-Q", "-n", "::*"]).arg(to));
    of_folder(to)
}

#[test]
fn fat_of_every_width_is_read_as_mtools_reads_it() {
    let folder = scratch("fat");
    make_files(&folder.join("files"));
    for (bits, megabytes, cluster) in [("12", 4, "2"), ("12", 12, "8"), ("16", 16, "4"), ("32", 40, "1")] {
        let image = folder.join(format!("fat{bits}-{megabytes}"));
        make_fat(&image, bits, megabytes, cluster, &folder.join("files"));
        let more = folder.join("more");
        // mtools goes on where it was: the second goes to the rest of the file system, and then to where the first was.
        for (name, sixteenths) in [("gone", 6), ("in pieces.img", 13)] {
            let _ = fs::remove_dir_all(&more);
            fs::create_dir_all(more.join("big")).unwrap();
            fs::write(more.join("big").join(name), noise(9, (megabytes as usize * sixteenths) << 16))
                .unwrap();
            mtools("mcopy", &image, &["-s", "-Q", "-D", "s"], &more);
            if name == "gone" {
                run(mtools_command("mdel", &image).arg("::big/gone"));
            }
        }

        let expected = as_mtools_reads(&image, &folder.join(format!("out{bits}-{megabytes}")));
        assert!(expected.len() > 8, "{:?}", expected.keys());
        let fat = FatImage::open(&whole(&image)).unwrap();
        assert_eq!((fat.label(), fat.warnings().len(), fat.entry_count()), ("EFIBOOT", 0, expected.len()));
        let mut paths = Vec::new();
        fat.walk(|path, _| paths.push(String::from_utf8(path.to_vec()).unwrap()));
        let found = of_tree(&fat, &image, &paths);
        assert!(found == expected, "fat{bits}: {:?} {:?}", found.keys(), expected.keys());
        let pieces = fat.file(b"big/in pieces.img").unwrap().data;
        assert!(pieces.extent_at(0).unwrap().len < pieces.len(), "fat{bits}: it is in one piece");
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// What xorriso says of an image's boot images: platform, block.
fn as_xorriso_reports(image: &Path) -> Vec<(String, u32)> {
    let output = run(Command::new("xorriso").arg("-indev").arg(image).args(["-report_el_torito", "plain"]));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("El Torito boot img :"));
    // Number, platform, bootable, emulation, segment, partition type, sectors, block.
    let fields = lines.map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    fields.map(|fields| (fields[1].to_owned(), fields[7].parse().unwrap())).collect()
}

#[test]
fn boot_catalogues_are_read_as_xorriso_reads_them() {
    let folder = scratch("el-torito");
    make_files(&folder.join("files"));
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("isolinux")).unwrap();
    fs::create_dir_all(tree.join("images")).unwrap();
    fs::write(tree.join("isolinux/isolinux.bin"), noise(7, 20_000)).unwrap();
    let fat = tree.join("images/efiboot.img");
    make_fat(&fat, "12", 4, "2", &folder.join("files"));
    let expected = as_mtools_reads(&fat, &folder.join("out"));
    let appended = folder.join("appended.img");
    fs::copy(&fat, &appended).unwrap();

    let bios = ["-b", "isolinux/isolinux.bin", "-no-emul-boot", "-boot-load-size", "4"];
    let uefi = ["-eltorito-alt-boot", "-e", "images/efiboot.img", "-no-emul-boot"];
    let partition = appended.to_str().unwrap();
    let append = ["-append_partition", "2", "0xef", partition, "-appended_part_as_gpt"];
    let interval = ["-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"];
    let cases: [(&str, Vec<&str>, &[&str]); 4] = [
        ("both", [bios.as_slice(), &uefi].concat(), &["El Torito entry 2"]),
        ("uefi alone", uefi[1..].to_vec(), &["El Torito entry 1"]),
        // As EL10 has it: nothing in the tree, one image that both catalogue and partition table name.
        ("appended", [bios.as_slice(), &append, &interval].concat(), &["El Torito entry 2", "EFI partition"]),
        ("a partition alone", [bios.as_slice(), &append[..4]].concat(), &["EFI partition"]),
    ];
    for (case, options, origins) in cases {
        let image = folder.join("image.iso");
        let mut xorriso = Command::new("xorriso");
        xorriso.args(["-as", "mkisofs", "-quiet", "-V", "TORITO", "-R", "-o"]).arg(&image).args(options);
        if origins.iter().any(|origin| origin.contains("partition")) {
            xorriso.args(["-m", "efiboot.img"]);
        }
        run(xorriso.arg(&tree));
        let iso = IsoImage::open(Arc::new(ImageFile::open(&image).unwrap())).unwrap();
        let entries = iso.boot_entries().unwrap();
        let found = entries.iter().filter(|entry| entry.is_bootable).map(|entry| {
            let platform = if entry.platform == Platform::Uefi { "UEFI" } else { "BIOS" };
            (platform.to_owned(), entry.block)
        });
        let found: Vec<_> = found.collect();
        assert_eq!(found, as_xorriso_reports(&image), "{case}");
        let images = iso.boot_images();
        assert_eq!(images.len(), origins.len(), "{case}: {images:?}");
        for (boot_image, origin) in images.iter().zip(origins) {
            assert!(boot_image.origin.starts_with(origin), "{case}: {}", boot_image.origin);
            let fat = FatImage::open(&boot_image.data).unwrap();
            let paths: Vec<String> = expected.keys().cloned().collect();
            assert!(of_tree(&fat, &image, &paths) == expected, "{case}: {origin}");
        }
    }
    fs::remove_dir_all(&folder).unwrap();
}

/// The image without its ISO 9660 descriptors; those of UDF stay.
fn without_iso9660(image: &Path, to: &Path) {
    fs::copy(image, to).unwrap();
    let file = fs::File::options().read(true).write(true).open(to).unwrap();
    for sector in 16..64 {
        let mut mark = [0; 6];
        file.read_exact_at(&mut mark, sector * 2048).unwrap();
        if &mark[1..] == b"CD001" {
            file.write_all_at(&[0; 2048], sector * 2048).unwrap();
        }
    }
}

fn paths_of(image: &IsoImage) -> Vec<String> {
    let mut paths = Vec::new();
    image.walk(|path, _| paths.push(String::from_utf8_lossy(path).into_owned()));
    paths.sort();
    paths
}

#[test]
fn the_udf_side_of_a_bridge_has_the_files_of_its_iso9660_side() {
    let folder = scratch("udf");
    let tree = folder.join("files");
    make_files(&tree);
    fs::write(tree.join("twice"), noise(8, 9000)).unwrap();
    fs::hard_link(tree.join("twice"), tree.join("EFI/thrice")).unwrap();
    let bridge = folder.join("bridge.iso");
    run(Command::new("genisoimage")
        .args(["-quiet", "-V", "BRIDGE", "-R", "-udf", "-o"])
        .arg(&bridge)
        .arg(&tree));
    let expected = of_folder(&tree);
    let iso = IsoImage::open(Arc::new(ImageFile::open(&bridge).unwrap())).unwrap();
    let paths: Vec<String> = expected.keys().cloned().collect();
    assert!(of_tree(&iso, &bridge, &paths) == expected, "the ISO 9660 side");

    let alone = folder.join("alone.udf");
    without_iso9660(&bridge, &alone);
    let udf = IsoImage::open(Arc::new(ImageFile::open(&alone).unwrap())).unwrap();
    assert_eq!((udf.volume_id(), udf.warnings()), ("BRIDGE", &[][..]));
    assert_eq!(paths_of(&udf), paths);
    assert_eq!(udf.entry_count(), expected.len());
    assert!(of_tree(&udf, &alone, &paths) == expected, "the UDF side");
    let times = |image: &IsoImage| image.list(b"EFI/BOOT").unwrap();
    assert_eq!(times(&udf), times(&iso), "lengths and times");

    // Nothing of use beside it, as on discs of Windows: only a text that tells to use another computer.
    let stub = folder.join("stub");
    fs::create_dir(&stub).unwrap();
    let readme = stub.join("README.TXT");
    fs::File::create(&readme).unwrap().write_all(b"This disc needs UDF.\n").unwrap();
    let stubbed = folder.join("stubbed.iso");
    run(Command::new("genisoimage").args(["-quiet", "-V", "STUB", "-udf", "-o"]).arg(&stubbed).arg(&stub));
    let image = IsoImage::open(Arc::new(ImageFile::open(&stubbed).unwrap())).unwrap();
    assert_eq!(
        (image.volume_id(), paths_of(&image)),
        ("STUB", vec!["README.TXT".to_owned()]),
        "UDF keeps the case"
    );
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn file_systems_of_mkudffs_are_opened() {
    let folder = scratch("mkudffs");
    for (media, revision, block) in [
        ("hd", "1.02", "512"),
        ("hd", "2.01", "2048"),
        ("hd", "2.01", "4096"),
        ("dvd", "1.02", "2048"),
        ("dvdram", "2.01", "2048"),
        ("cdrw", "2.01", "2048"),
    ] {
        let path = folder.join(format!("{media}-{revision}"));
        fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
        let mut mkudffs = Command::new("mkudffs");
        mkudffs.args(["--utf8", "--label=Install \u{e9}", "-m", media, "-r", revision, "-b", block]);
        run(mkudffs.stdout(Stdio::null()).arg(&path));
        let image = IsoImage::open(Arc::new(ImageFile::open(&path).unwrap()));
        let image = image.unwrap_or_else(|error| panic!("{media} {revision}: {error}"));
        assert_eq!(image.volume_id(), "Install \u{e9}", "{media} {revision}");
        // ECMA-167 lets a fresh file system have lost+found.
        assert!(image.entry_count() <= 1, "{media} {revision}: {:?}", paths_of(&image));
    }
    fs::remove_dir_all(&folder).unwrap();
}
