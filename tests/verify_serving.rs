//! The real server compares its image with the checksums on it: meanwhile, or before with `--verify`. Needs root, and what
//! `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/image_tree.rs"]
mod image_tree;
#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use lab::{Pxego, scratch};
use netns::{Bench, run};
use pxego::image::{FileTree, ImageFile, IsoImage};

const FILE: &str = "images/install.img";

/// A small image with sums of some of its files: the thread that compares gets next to nothing of a busy computer.
fn image(scratch: &Path) -> PathBuf {
    let (tree, image) = (scratch.join("tree"), scratch.join("good.iso"));
    image_tree::make(&tree, 120);
    let command = "find images -type f -print0 | sort -z | xargs -0 md5sum >md5sum.txt";
    run(Command::new("sh").arg("-c").arg(command).current_dir(&tree));
    image_tree::with_xorriso(&tree, &image);
    image
}

/// Damages one bit of a file on an image.
fn damage(image: &Path) {
    let opened = IsoImage::open(Arc::new(ImageFile::open(image).unwrap())).unwrap();
    let at = opened.file(FILE.as_bytes()).unwrap().data.extent_at(500_000).unwrap().offset;
    let mut bytes = fs::read(image).unwrap();
    bytes[at as usize] ^= 4;
    fs::write(image, bytes).unwrap();
}

#[test]
fn an_image_is_compared_meanwhile_and_a_damaged_one_is_told_or_refused() {
    let scratch = scratch("verify-serving");
    let (good, implanted) = (image(&scratch), scratch.join("implanted.iso"));
    fs::copy(&good, &implanted).unwrap();
    run(Command::new("implantisomd5").arg(&implanted));
    let bad = scratch.join("bad.iso");
    fs::copy(&good, &bad).unwrap();
    damage(&bad);
    let bad_implanted = scratch.join("bad-implanted.iso");
    fs::copy(&implanted, &bad_implanted).unwrap();
    let mut bytes = fs::read(&bad_implanted).unwrap();
    bytes[40 * 2048 + 7] ^= 1;
    fs::write(&bad_implanted, bytes).unwrap();

    let bench = Bench::new();
    let state = scratch.join("state");
    let arguments = |image: &Path| -> Vec<String> {
        ["--iso", image.to_str().unwrap(), "--state", state.to_str().unwrap()].map(str::to_owned).into()
    };
    for (image, verdict, parts) in [
        (&good, "good", vec!["undamaged", "3 files of md5sum.txt"]),
        (&implanted, "good", vec!["undamaged", "implanted md5"]),
        (&bad, "damaged", vec!["DAMAGED", "images/install.img is not what md5sum.txt says"]),
    ] {
        let arguments = arguments(image);
        let mut pxego =
            Pxego::start(&bench.server, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        // It may be through before it is known who else serves the wire.
        let before = pxego.events().iter().find(|event| event["event"] == "checked").cloned();
        let event = before.unwrap_or_else(|| pxego.wait_for_step("checked").clone());
        assert_eq!(event["verdict"], verdict, "{event}");
        let text = event["text"].as_str().unwrap();
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        let told = pxego.stop().iter().filter(|event| event["event"] == "checked").count();
        assert_eq!(told, 1);
    }
    for (image, part) in [
        (&bad, "bad.iso DAMAGED: images/install.img is not what md5sum.txt says"),
        (&bad_implanted, "bad-implanted.iso DAMAGED: bytes "),
    ] {
        let mut command = bench.server.command("timeout");
        command
            .args(["60", env!("CARGO_BIN_EXE_pxego"), "--iface", "eth0", "--verify"])
            .args(arguments(image));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains(part) && text.contains("comparing"), "{text}");
    }
    // Sound, it is served, and was compared before.
    let mut words = arguments(&implanted);
    words.push("--verify".to_owned());
    let pxego = Pxego::start(&bench.server, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let events = pxego.stop();
    let place = |key: &str| events.iter().position(|event| event["event"] == key);
    assert!(place("checked").is_some_and(|at| at < place("ready").unwrap()), "{events:?}");
    fs::remove_dir_all(scratch).unwrap();
}
