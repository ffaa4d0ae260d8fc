//! The checksums that images carry, against the programs that make and check them: `implantisomd5`, `checkisomd5`, `md5sum`,
//! `sha256sum`. And what the real binary says. Needs what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/image_tree.rs"]
mod image_tree;
#[path = "common/netns.rs"]
mod netns;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use netns::run;
use pxego::image::{FileTree, ImageFile, IsoImage, ReadAt};
use pxego::media::verify::{Damage, Verdict, Verification};
use serde_json::Value;

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Our verdict on an image of files at `tree`.
fn verdict(path: &Path) -> Verdict {
    let source = Arc::new(ImageFile::open(path).unwrap());
    let image = IsoImage::open(source.clone()).unwrap();
    let mut verification = Verification::new(&image, source.as_ref());
    while let Some(range) = verification.wants() {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        source.read_exact_at(&mut bytes, range.start).unwrap();
        verification.take(&mut bytes);
    }
    verification.verdict()
}

fn inspect(arguments: &[&str], image: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pxego"));
    command.arg("inspect").args(arguments).arg(image).output().unwrap()
}

fn implanted(scratch: &Path, make: fn(&Path, &Path)) -> PathBuf {
    let (tree, image) = (scratch.join("tree"), scratch.join("image.iso"));
    if !tree.exists() {
        image_tree::make(&tree, 250);
        // Last on the image, so that damage has room.
        fs::write(tree.join("zzz"), image_tree::noise(9, 3_000_000)).unwrap();
    }
    let _ = fs::remove_file(&image);
    make(&tree, &image);
    run(Command::new("implantisomd5").arg(&image));
    image
}

/// With each of many places damaged in turn: our verdict and that of `checkisomd5` are the same.
#[test]
fn checkisomd5_and_we_agree_on_every_damage() {
    let scratch = scratch("checksums-implanted");
    for make in [image_tree::with_xorriso as fn(&Path, &Path), image_tree::with_genisoimage] {
        let image = implanted(&scratch, make);
        let whole = fs::read(&image).unwrap();
        let Verdict::Good { bytes } = verdict(&image) else { panic!("{:?}", verdict(&image)) };
        let (opened, len) = (IsoImage::open(Arc::new(whole.clone())).unwrap(), whole.len());
        assert!(bytes > len as u64 / 2, "{bytes} of {len}");
        let extent = opened.file(b"zzz").unwrap().data.extent_at(0).unwrap();
        let file = extent.offset as usize;
        // In the system area, the implanted record itself, a file, the padding, the sectors that are left out.
        let places = [
            0,
            100,
            32_700,
            0x8373 + 500,
            file,
            file + 1_234_567,
            file + 2_999_999,
            len - 40 * 2048,
            len - 5,
        ];
        let (mut good, mut damaged) = (0, 0);
        for place in places {
            let mut bytes = whole.clone();
            bytes[place] ^= 0x55;
            fs::write(&image, &bytes).unwrap();
            let theirs = Command::new("checkisomd5").arg(&image).output().unwrap().status.success();
            match verdict(&image) {
                Verdict::Good { .. } => good += 1,
                Verdict::Damaged(Damage::Within(range)) => {
                    assert!(range.contains(&(place as u64)), "{place}: {range:?}");
                    damaged += 1;
                }
                other => panic!("{place}: {other:?}"),
            }
            let ours = matches!(verdict(&image), Verdict::Good { .. });
            assert_eq!(ours, theirs, "byte {place} of {len}");
        }
        assert!(good >= 2 && damaged >= 5, "{good} good, {damaged} damaged");
    }
    fs::remove_dir_all(scratch).unwrap();
}

/// The list of a Debian image, as `debian-cd` makes it, and openSUSE's.
#[test]
fn lists_that_md5sum_and_sha256sum_made_are_compared() {
    let scratch = scratch("checksums-lists");
    for (list, command) in [
        ("md5sum.txt", "find . -type f ! -name md5sum.txt -print0 | sort -z | xargs -0 md5sum >md5sum.txt"),
        ("CHECKSUMS", "find images .treeinfo -type f -print0 | sort -z | xargs -0 sha256sum >CHECKSUMS"),
    ] {
        let (tree, image) = (scratch.join(list), scratch.join(format!("{list}.iso")));
        image_tree::make(&tree, 120);
        run(Command::new("sh").arg("-c").arg(command).current_dir(&tree));
        image_tree::with_xorriso(&tree, &image);
        assert!(
            matches!(verdict(&image), Verdict::Good { bytes } if bytes > 1_000_000),
            "{:?}",
            verdict(&image)
        );
        let mut bytes = fs::read(&image).unwrap();
        let kernel =
            IsoImage::open(Arc::new(bytes.clone())).unwrap().file(b"images/pxeboot/vmlinuz").unwrap();
        bytes[kernel.data.extent_at(100_000).unwrap().offset as usize] ^= 1;
        fs::write(&image, bytes).unwrap();
        let damage = Damage::File { path: "images/pxeboot/vmlinuz".to_owned(), list };
        assert_eq!(verdict(&image), Verdict::Damaged(damage));
    }
    fs::remove_dir_all(scratch).unwrap();
}

/// Standard output as JSON objects, one a line.
fn objects(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

#[test]
fn inspect_goes_on_after_a_bad_image_and_its_exit_code_tells() {
    let scratch = scratch("checksums-inspect");
    let image = implanted(&scratch, image_tree::with_xorriso);
    let folder = scratch.join("folder");
    fs::create_dir(&folder).unwrap();
    let whole = fs::read(&image).unwrap();
    let damaged = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    fs::write(folder.join("1-text.iso"), "<!doctype html>").unwrap();
    fs::write(folder.join("2-short.iso"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("3-damaged.iso"), damaged(whole.len() / 2)).unwrap();
    fs::write(folder.join("4-good.iso"), &whole).unwrap();
    fs::write(folder.join("not an image.txt"), "x").unwrap();
    let output = inspect(&["--json", "--verify"], &folder);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let found = objects(&output);
    assert_eq!(found.len(), 4, "{found:#?}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert!(text(&found[0]["failure"]).contains("an HTML page"), "{}", found[0]);
    let missing = (whole.len() - whole.len() / 2) as f64 / 1e6;
    let short = text(&found[1]["failure"]);
    let told: f64 =
        short.split(" MB are missing").next().and_then(|it| it.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!((told - missing).abs() < 0.2, "{short}: not {missing} MB");
    assert_eq!(found[2]["check"]["state"], "damaged");
    assert_eq!(
        (&found[2]["well"], &found[2]["volume_id"]),
        (&Value::Bool(false), &"Compare-9-x86_64".into())
    );
    assert_eq!(found[3]["check"]["state"], "good", "{}", found[3]);
    assert_eq!((&found[3]["product"], &found[3]["arch"]), (&"CentOS Stream".into(), &"x86_64".into()));

    // The same for people, and without reading all of it.
    let output = inspect(&[], &folder.join("4-good.iso"));
    let said = String::from_utf8(output.stdout).unwrap();
    for part in
        ["4-good.iso: CentOS Stream 9", "known by", ".treeinfo: CentOS Stream 9", "--verify", "a kickstart"]
    {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    // Nothing on it boots a machine; what that means depends on what is built in.
    let is_complete = !said.contains("\n  missing");
    assert_eq!(output.status.code(), Some(i32::from(!is_complete)), "{said}");
    let nobody = Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            env!("CARGO_BIN_EXE_pxego"),
            "inspect",
            "--version",
        ])
        .output()
        .unwrap();
    assert_eq!(nobody.status.code(), Some(2), "it is no option of inspect");
    fs::remove_dir_all(scratch).unwrap();
}

/// Volume ids that would break a table in TOML, a terminal, or JSON; and a size beyond any disk.
#[test]
fn what_an_image_claims_is_only_told() {
    let scratch = scratch("checksums-claims");
    let (tree, image) = (scratch.join("tree"), scratch.join("image.iso"));
    image_tree::make(&tree, 120);
    image_tree::with_xorriso(&tree, &image);
    let whole = fs::read(&image).unwrap();
    for id in [&b"a\"\"\"\n[x]\ny='''"[..], b"\x1b]0;evil\x07", b"\xff\xfe\x80'\\", b"{\"a\":1}"] {
        let mut bytes = whole.clone();
        bytes[0x8028..][..32].fill(b' ');
        bytes[0x8028..][..id.len()].copy_from_slice(id);
        fs::write(&image, &bytes).unwrap();
        let found = objects(&inspect(&["--json"], &image));
        let expected = String::from_utf8_lossy(id).into_owned();
        assert_eq!(found[0]["volume_id"].as_str(), Some(expected.as_str()));
        let said = inspect(&[], &image).stdout;
        assert!(
            said.iter().all(|byte| *byte == b'\n' || !byte.is_ascii_control()),
            "{}",
            said.escape_ascii()
        );
    }
    let mut bytes = whole;
    bytes[0x8050..0x8054].fill(0xff);
    fs::write(&image, &bytes).unwrap();
    let found = objects(&inspect(&["--json"], &image));
    let failure = found[0]["failure"].as_str().unwrap();
    assert!(failure.contains("8,796,0") && failure.contains("MB are missing"), "{failure}");
    fs::remove_dir_all(scratch).unwrap();
}
