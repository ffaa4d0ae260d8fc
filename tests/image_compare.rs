//! Every path of an install image of 3,000 files, as pxego serves and reads it, against what xorriso unpacks. Needs root,
//! and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/image_tree.rs"]
mod image_tree;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image_tree::Truth;
use lab::{Pxego, scratch};
use netns::{Bench, run};
use pxego::image::{FileTree, ImageFile, IsoImage, Node};

const ENTRIES: usize = 3000;

/// What curl is asked for at once.
#[derive(Default)]
struct Fetches {
    config: String,
    files: Vec<PathBuf>,
}

impl Fetches {
    /// Asks for a path of the tree; what comes is put into `folder`.
    fn add(&mut self, folder: &Path, path: &[u8]) {
        let file = folder.join(self.files.len().to_string());
        let url = format!("http://192.168.100.1/{}", escape(path));
        writeln!(self.config, "url = \"{url}\"\noutput = \"{}\"", file.display()).unwrap();
        self.files.push(file);
    }

    /// Runs curl in the client's namespace; the files are in the order of the requests.
    fn run(self, bench: &Bench, folder: &Path) -> Vec<PathBuf> {
        let config = folder.join("curl");
        fs::write(&config, self.config).unwrap();
        let mut curl = bench.client.command("curl");
        curl.args(["--disable", "--fail-early", "--fail", "--silent", "--show-error", "--globoff"]);
        run(curl.args(["--path-as-is", "--remote-time", "--max-time", "300", "--config"]).arg(&config));
        self.files
    }
}

/// A path in a URL (RFC 3986 §2): written without a look at how pxego does it.
fn escape(path: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let mut escaped = String::new();
    for byte in path {
        match plain(*byte) {
            true => escaped.push(char::from(*byte)),
            false => write!(escaped, "%{byte:02x}").unwrap(),
        }
    }
    escaped
}

fn unescape(link: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = link.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = after.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    bytes
}

/// A server and a client, and pxego with `image`.
fn serve(image: &Path, scratch: &Path) -> (Bench, Pxego) {
    let bench = Bench::new();
    bench.client.ip("address add 192.168.100.9/24 dev eth0");
    let state = scratch.join("state");
    let arguments = ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()];
    let pxego = Pxego::start(&bench.server, &arguments);
    (bench, pxego)
}

#[test]
fn every_path_is_listed_and_served_as_xorriso_unpacks_it() {
    let scratch = scratch("compare-http");
    let (tree, image, unpacked) = (scratch.join("tree"), scratch.join("image.iso"), scratch.join("unpacked"));
    image_tree::make(&tree, ENTRIES);
    image_tree::with_xorriso(&tree, &image);
    image_tree::extract(&image, &unpacked);
    let truth = image_tree::truth(&unpacked);
    assert_eq!(truth.len(), ENTRIES);
    assert_eq!(truth.keys().collect::<Vec<_>>(), image_tree::truth(&tree).keys().collect::<Vec<_>>());

    let (bench, pxego) = serve(&image, &scratch);
    let listed = listings(&bench, &scratch, &truth);
    same_paths(&listed, &truth, "listed");
    files(&bench, &scratch, &truth);
    backslashes(&bench, &truth);
    pxego.stop();
    fs::remove_dir_all(&scratch).unwrap();
}

/// Neither is a path missing, nor one invented.
fn same_paths(found: &BTreeSet<Vec<u8>>, truth: &BTreeMap<Vec<u8>, Truth>, what: &str) {
    let expected: BTreeSet<Vec<u8>> = truth.keys().cloned().collect();
    let shown = |path: &Vec<u8>| path.escape_ascii().to_string();
    let missing: Vec<String> = expected.difference(found).map(shown).collect();
    let invented: Vec<String> = found.difference(&expected).map(shown).collect();
    assert_eq!((missing, invented), (vec![], vec![]), "{what}: missing, and invented");
}

/// Fetches the listings of all directories, from the root on, and returns the paths in them.
fn listings(bench: &Bench, scratch: &Path, truth: &BTreeMap<Vec<u8>, Truth>) -> BTreeSet<Vec<u8>> {
    let mut listed = BTreeSet::new();
    let mut level = vec![Vec::new()];
    while !level.is_empty() {
        let folder = scratch.join(format!("listings-{}", listed.len()));
        fs::create_dir(&folder).unwrap();
        let mut fetches = Fetches::default();
        level.iter().for_each(|path| fetches.add(&folder, path));
        let pages = fetches.run(bench, &folder);
        let mut next = Vec::new();
        for (path, page) in level.iter().zip(pages) {
            let page = fs::read_to_string(page).unwrap();
            for link in page.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
                let target = unescape(link.trim_start_matches('/'));
                let (target, is_directory) = match target.strip_suffix(b"/") {
                    Some(target) => (target.to_vec(), true),
                    None => (target, false),
                };
                if target.len() <= path.len() {
                    continue;
                }
                assert_eq!(is_directory, truth.get(&target) == Some(&Truth::Directory), "{link}");
                assert!(listed.insert(target.clone()), "{link} is listed twice");
                // Links to directories are not entered: one leads to itself.
                if is_directory && !target.starts_with(b"links/") {
                    next.push(target);
                }
            }
        }
        level = next;
    }
    listed
}

/// Fetches all files, and some by the way of a link to their directory; compares bytes and times.
fn files(bench: &Bench, scratch: &Path, truth: &BTreeMap<Vec<u8>, Truth>) {
    let folder = scratch.join("files");
    fs::create_dir(&folder).unwrap();
    let mut expected = Vec::new();
    let mut fetches = Fetches::default();
    for (path, truth) in truth {
        let Truth::File(file) = truth else { continue };
        let ways = match path.strip_prefix(b"images/".as_slice()) {
            Some(rest) => vec![path.clone(), [b"links/itself/directory/", rest].concat()],
            None => vec![path.clone()],
        };
        for way in ways {
            fetches.add(&folder, &way);
            expected.push((way, file));
        }
    }
    let fetched = fetches.run(bench, &folder);
    assert_eq!(fetched.len(), expected.len());
    for ((path, expected), fetched) in expected.iter().zip(fetched) {
        let shown = path.escape_ascii();
        assert!(fs::read(expected).unwrap() == fs::read(&fetched).unwrap(), "{shown} differs");
        let time = |path: &Path| fs::metadata(path).unwrap().mtime();
        assert_eq!(time(&fetched), time(expected), "{shown}: its time");
    }
}

/// By TFTP: files whose names have backslashes, and what boot managers of Windows mean by theirs.
fn backslashes(bench: &Bench, truth: &BTreeMap<Vec<u8>, Truth>) {
    for (asked, path) in [
        (r"odd/back\slash", r"odd/back\slash"),
        (r"odd/\", r"odd/\"),
        (r"\images\pxeboot/vmlinuz", "images/pxeboot/vmlinuz"),
    ] {
        let Some(Truth::File(expected)) = truth.get(path.as_bytes()) else { panic!("{path}") };
        let url = format!("tftp://192.168.100.1/{}", escape(asked.as_bytes()));
        let mut curl = bench.client.command("curl");
        let output =
            run(curl.args(["--disable", "--fail", "--silent", "--show-error", "--max-time", "120", &url]));
        assert!(output.stdout == fs::read(expected).unwrap(), "{asked} differs");
    }
}

/// The library against xorriso, for images of two programs; then against another library.
#[test]
fn both_programs_images_are_read_as_xorriso_and_hadris_read_them() {
    let scratch = scratch("compare-library");
    let tree = scratch.join("tree");
    image_tree::make(&tree, 600);
    for (program, make) in [
        ("xorriso", image_tree::with_xorriso as fn(&Path, &Path)),
        ("genisoimage", image_tree::with_genisoimage),
    ] {
        let (image, unpacked) = (scratch.join(program), scratch.join(format!("{program}-unpacked")));
        make(&tree, &image);
        image_tree::extract(&image, &unpacked);
        let ours = IsoImage::open(Arc::new(ImageFile::open(&image).unwrap())).unwrap();
        assert_eq!(ours.warnings(), [], "{program}");
        same_as_unpacked(&ours, &image_tree::truth(&unpacked), program);
        same_as_hadris(&ours, &image, &unpacked, program);
    }
    fs::remove_dir_all(&scratch).unwrap();
}

fn same_as_unpacked(ours: &IsoImage, truth: &BTreeMap<Vec<u8>, Truth>, program: &str) {
    let mut walked = BTreeSet::new();
    ours.walk(|path, entry| {
        assert!(walked.insert(path.to_vec()));
        let len = match truth.get(path) {
            Some(Truth::File(file)) => fs::metadata(file).unwrap().len(),
            _ => 0,
        };
        assert_eq!(entry.len, len, "{program}: length of {}", path.escape_ascii());
    });
    same_paths(&walked, truth, program);
    for (path, truth) in truth {
        let shown = path.escape_ascii();
        match (ours.find(path).unwrap(), truth) {
            (Node::Directory, Truth::Directory) => {}
            (Node::File(file), Truth::File(unpacked)) => {
                assert!(
                    file.data.read_all(1 << 30).unwrap() == fs::read(unpacked).unwrap(),
                    "{program}: {shown}"
                );
            }
            _ => panic!("{program}: {shown} is of another kind"),
        }
    }
}

/// `hadris-iso` reads Rock Ridge names that are UTF-8, and does not follow links: it tells where they point.
fn same_as_hadris(ours: &IsoImage, image: &Path, unpacked: &Path, program: &str) {
    let hadris = hadris_iso::sync::IsoImage::open(fs::File::open(image).unwrap()).unwrap();
    let mut directories = vec![(String::new(), hadris.root_dir().dir_ref())];
    let (mut compared, mut links, mut is_relocated) = (0, 0, false);
    while let Some((directory, reference)) = directories.pop() {
        for entry in hadris.open_dir(reference).entries() {
            let entry = entry.unwrap();
            let name = entry.display_name().into_owned();
            let rock_ridge = entry.rrip.as_ref();
            is_relocated |= rock_ridge.is_some_and(|it| it.child_link.is_some());
            if let Some(target) = rock_ridge.and_then(|it| it.symlink_target.as_deref()) {
                let path = Path::new(&directory).join(&name);
                same_link(ours, &path, target, &unpacked.join(&path), program);
                links += 1;
                continue;
            }
            let is_left_out = entry.is_special()
                || rock_ridge.is_some_and(|it| it.is_relocated)
                || name.contains('\u{fffd}');
            if is_left_out {
                continue;
            }
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let found = ours.find(path.as_bytes());
            if entry.is_directory() {
                let is_holder = path == "rr_moved";
                assert!(is_holder != matches!(found, Some(Node::Directory)), "{program}: {path}");
                directories.push((path, entry.as_dir_ref(&hadris).unwrap()));
            } else {
                let Some(Node::File(file)) = found else { panic!("{program}: {path} is no file to us") };
                assert!(
                    file.data.read_all(1 << 30).unwrap() == hadris.read_file(&entry).unwrap(),
                    "{program}: {path}"
                );
            }
            compared += 1;
        }
    }
    assert!(links > 10, "{program}: only {links} links compared");
    assert!(is_relocated, "{program} moves deep directories");
    assert!(compared > ours.entry_count() * 9 / 10, "{program}: only {compared} entries compared");
}

/// What a link is to us is what stands where the two strangers say that it points.
fn same_link(ours: &IsoImage, path: &Path, target: &str, unpacked: &Path, program: &str) {
    let shown = path.display();
    assert_eq!(fs::read_link(unpacked).unwrap(), Path::new(target), "{program}: {shown}");
    // Step by step from the directory that it is in; above the root is the root.
    let mut at = if target.starts_with('/') { PathBuf::new() } else { path.parent().unwrap().to_owned() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(at.pop()),
            name => at.push(name),
        }
    }
    let find = |path: &Path| ours.find(path.as_os_str().as_encoded_bytes());
    match (find(path), find(&at)) {
        (Some(Node::File(link)), Some(Node::File(file))) => {
            assert_eq!(link.data.len(), file.data.len(), "{program}: {shown}");
            assert_eq!(link.data.extent_at(0), file.data.extent_at(0), "{program}: {shown}");
        }
        (Some(Node::Directory), Some(Node::Directory)) | (None, None) => {}
        (None, Some(_)) | (Some(_), None) => panic!("{program}: {shown} -> {target}"),
        _ => panic!("{program}: {shown} is of another kind than {target}"),
    }
}

/// Bytes of the first extent of a longer file: xorriso ends it with the last whole sector below 4 GiB.
const FIRST_EXTENT: u64 = (1 << 32) - 2048;

#[test]
fn a_file_longer_than_4_gib_is_served_to_its_last_byte() {
    let scratch = scratch("compare-long");
    let (tree, image) = (scratch.join("tree"), scratch.join("image.iso"));
    image_tree::make(&tree, 0);
    let len = FIRST_EXTENT + 1_234_567;
    // Noise where something could go wrong, nothing in between.
    let places = [0, 1 << 31, FIRST_EXTENT - 3000, FIRST_EXTENT, FIRST_EXTENT + 2048, 1 << 32, len - 3000];
    let long = fs::File::create_new(tree.join("images/long.img")).unwrap();
    long.set_len(len).unwrap();
    for place in places {
        long.write_all_at(&image_tree::noise(place as usize, 3000), place).unwrap();
    }
    image_tree::with_xorriso_sparse(&tree, &image);

    let opened = IsoImage::open(Arc::new(ImageFile::open(&image).unwrap())).unwrap();
    assert_eq!(opened.warnings(), []);
    let data = opened.file(b"images/long.img").unwrap().data;
    assert_eq!(data.len(), len);
    let (bench, pxego) = serve(&image, &scratch);
    let url = "http://192.168.100.1/images/long.img";
    let curl = |arguments: &[&str]| {
        let mut curl = bench.client.command("curl");
        let always = ["--disable", "--fail", "--silent", "--show-error", "--max-time", "60", url];
        run(curl.args(always).args(arguments)).stdout
    };
    let head = String::from_utf8(curl(&["--head"])).unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {len}\r\n")), "{head}");
    let mut expected = vec![0; 8192];
    for place in places {
        let start = place.saturating_sub(4096);
        let count = long.read_at(&mut expected, start).unwrap();
        assert!(expected[..count].iter().any(|byte| *byte != 0));
        let mut ours = vec![0; 8192];
        assert_eq!(data.read_at(&mut ours, start).unwrap(), count);
        assert!(ours[..count] == expected[..count], "{place}");
        let range = format!("{start}-{}", start + 8191);
        assert!(curl(&["--range", &range]) == expected[..count], "{range}");
    }
    pxego.stop();
    fs::remove_dir_all(&scratch).unwrap();
}
