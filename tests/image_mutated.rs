//! Install images damaged 2,000 times where it hurts: in their descriptors, directories and continuation areas. Each is read,
//! every fourth inspected to the end: recognised, searched for loaders, compared with its checksums.

#[allow(unreachable_pub, dead_code)]
#[path = "fuzz/checks/iso.rs"]
mod check;
#[path = "common/image_tree.rs"]
mod image_tree;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "common/netns.rs"]
mod netns;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use mutate::Mutator;
use pxego::image::{FileTree, ImageFile, IsoImage, ReadAt};
use pxego::media::report::Report;
use pxego::media::verify::{Verdict, Verification};
use pxego::media::{find_loaders, recognise};

const SECTOR: usize = 2048;

/// How many images are made of each program's.
const MUTANTS: u32 = 1000;

/// One mutant that takes longer hangs, however busy the computer is.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn two_thousand_damaged_images_are_read_or_refused() {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutated");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).unwrap();
    let tree = scratch.join("tree");
    image_tree::make(&tree, 250);
    fs::write(tree.join("md5sum.txt"), sums(&tree)).unwrap();
    for (program, make) in [
        ("xorriso", image_tree::with_xorriso as fn(&Path, &Path)),
        ("genisoimage", image_tree::with_genisoimage),
    ] {
        let image = scratch.join(program);
        make(&tree, &image);
        let opened = watched(program, image);
        // Neither is every one refused before it was looked at, nor does no damage matter.
        assert!((MUTANTS / 2..MUTANTS).contains(&opened), "{program}: {opened} of {MUTANTS} opened");
    }
    fs::remove_dir_all(&scratch).unwrap();
}

/// What `md5sum` says of all files.
fn sums(tree: &Path) -> Vec<u8> {
    let command = "find . -type f -print0 | sort -z | xargs -0 md5sum";
    netns::run(Command::new("sh").args(["-c", command]).current_dir(tree)).stdout
}

/// Looks at the mutants of an image, each for a limited time, and returns how many could be opened.
fn watched(program: &'static str, image: PathBuf) -> u32 {
    let (begin, begun) = mpsc::sync_channel(0);
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutated-{program}"));
    // Not scoped: a mutant that hangs must not keep the test from ending.
    let worker = std::thread::spawn(move || {
        let whole = fs::read(&image).unwrap();
        let structure = structure(&image);
        let mut mutator = Mutator::new(program);
        let mut opened = 0;
        for number in 0..MUTANTS {
            let mutant = mutant(&whole, &structure, &mut mutator);
            begin.send(mutant.clone()).unwrap();
            opened += u32::from(check::image(mutant.clone(), 0));
            // It reads everything: a share of them has to do.
            if number % 4 == 0 {
                inspect(mutant);
            }
        }
        opened
    });
    let mut last = Vec::new();
    let broken = loop {
        match begun.recv_timeout(PATIENCE) {
            Ok(mutant) => last = mutant,
            Err(RecvTimeoutError::Timeout) => break "hangs",
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Ok(opened) => return opened,
                Err(_) => break "breaks the check",
            },
        }
    };
    fs::write(&kept, last).unwrap();
    panic!("{} {broken}", kept.display());
}

/// What `pxego inspect --verify` does with an image.
fn inspect(mut bytes: Vec<u8>) {
    let source = Arc::new(bytes.clone());
    let Ok(image) = IsoImage::open(source.clone()) else { return };
    match recognise(&image, image.volume_id()) {
        Ok(media) => {
            let report = Report::new(&media, &find_loaders(&image), &[]);
            assert!(!report.name.is_empty() && report.offers.len() < 1000);
            assert!(report.missing.iter().all(|text| text.len() < 100_000));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let mut verification = Verification::new(&image, source.as_ref());
    let (mut read, total) = (0, verification.total());
    assert!(total <= 5 * source.len() as u64, "{total} bytes to be compared of {}", source.len());
    while let Some(range) = verification.wants() {
        read += range.end - range.start;
        assert!(range.start < range.end && read <= total, "{range:?}: {read} of {total}");
        verification.take(&mut bytes[range.start as usize..range.end as usize]);
    }
    assert!(matches!(
        verification.verdict(),
        Verdict::Good { .. } | Verdict::NoChecksum | Verdict::Damaged(_)
    ));
}

/// Offsets of the sectors that are not a file's, nor empty.
fn structure(image: &Path) -> Vec<usize> {
    let source = Arc::new(ImageFile::open(image).unwrap());
    let opened = IsoImage::open(source.clone()).unwrap();
    let mut of_files = HashSet::new();
    opened.walk(|path, _| {
        let Some(extent) = opened.file(path).and_then(|file| file.data.extent_at(0)) else { return };
        of_files.extend((extent.offset..extent.offset + extent.len).step_by(SECTOR));
    });
    let mut sector = [0; SECTOR];
    let mut is_structure = |at: &u64| {
        source.read_exact_at(&mut sector, *at).unwrap();
        !of_files.contains(at) && sector.iter().any(|byte| *byte != 0)
    };
    let sectors = (0..source.len()).step_by(SECTOR).filter(|at| is_structure(at));
    sectors.map(|at| usize::try_from(at).unwrap()).collect()
}

/// The image with one to four of its sectors damaged, one in twenty cut short.
fn mutant(whole: &[u8], structure: &[usize], mutator: &mut Mutator) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=mutator.below(4) {
        let at = structure[mutator.below(structure.len())];
        let other = structure[mutator.below(structure.len())];
        let other = whole[other..other + SECTOR].to_vec();
        let mut sector = mutator.mutate(&whole[at..at + SECTOR], &[&other]);
        sector.resize(SECTOR, 0);
        bytes[at..at + SECTOR].copy_from_slice(&sector);
    }
    if mutator.below(20) == 0 {
        bytes.truncate(mutator.below(whole.len()));
    }
    bytes
}
