//! Kernel arguments that name the medium, made to name the network, where it is known how the ramdisk reads them.
//!
//! Sources: dracut `modules.d/90livenet`, `90dmsquash-live`; anaconda `dracut/` and `loader/`; live-boot
//! `components/9990-*`; casper `scripts/casper`; mkinitcpio-archiso `hooks/archiso_pxe_http`; linuxrc `linuxrc.md`;
//! the candidates that Ventoy's `grub.cfg` has.

use crate::image::FileTree;
use crate::media::entry::{EntryKind, literal};
use crate::media::paths;

/// Arguments for the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The template.
    pub template: String,
    /// What they tell the system to do.
    pub kind: EntryKind,
    /// Whether something in them says how to find the medium over the network.
    pub finds_medium: bool,
}

/// The systems whose ramdisks look for their medium, each in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Anaconda,
    Dracut,
    LiveBoot,
    Casper,
    Archiso,
    Manjaro,
    Linuxrc,
    Other,
}

/// Words that only make sense with the medium in a drive.
const LOCAL_ONLY: [&str; 17] = [
    "findiso=",
    "iso-scan/filename=",
    "live-media=",
    "live-media-path=",
    "bootfrom=",
    "archisolabel=",
    "archisodevice=",
    "archisosearchuuid=",
    "archisosearchfilename=",
    "img_dev=",
    "img_loop=",
    "misolabel=",
    "misodevice=",
    "cdrom-detect/",
    "file=/cdrom/",
    "rd.live.check",
    "BOOT_IMAGE=",
];

/// Rewrites the arguments of `kernel`.
pub fn rewrite(tree: &dyn FileTree, kernel: &str, arguments: &[String]) -> Rewritten {
    let system = system(arguments, kernel);
    let mut words = Vec::new();
    let mut finds_medium = false;
    for argument in arguments {
        if LOCAL_ONLY.iter().any(|start| argument.starts_with(start)) || argument == "mediacheck" {
            continue;
        }
        match network_word(tree, system, argument) {
            Some(word) => {
                finds_medium = true;
                words.push(word);
            }
            None => words.push(literal(argument)),
        }
    }
    let more = medium_words(tree, system, arguments);
    finds_medium |= !more.is_empty();
    words.extend(more);
    if finds_medium {
        let has = |start: &str| arguments.iter().any(|argument| argument.starts_with(start));
        let network: &[&str] = match system {
            System::Linuxrc => &["netsetup=dhcp"],
            System::Dracut => &["rd.neednet=1", "ip=dhcp"],
            _ => &["ip=dhcp"],
        };
        let missing = network.iter().filter(|word| !has(word.split('=').next().unwrap_or_default()));
        words.extend(missing.map(|word| (*word).to_owned()));
        words.push("BOOTIF={bootif}".to_owned());
    }
    // Debian's installer hands what follows on to the installed system.
    if let Some(at) = words.iter().position(|word| word == "---" || word == "--") {
        let separator = words.remove(at);
        words.push(separator);
    }
    Rewritten { template: words.join(" "), kind: kind(system, kernel, arguments), finds_medium }
}

fn system(arguments: &[String], kernel: &str) -> System {
    let has = |start: &str| arguments.iter().any(|argument| argument.starts_with(start));
    if has("inst.") || has("stage2=") || has("method=") || has("repo=") || has("ks=") {
        System::Anaconda
    } else if has("boot=live") {
        System::LiveBoot
    } else if has("boot=casper") || kernel.starts_with("casper") {
        System::Casper
    } else if has("archisobasedir=") {
        System::Archiso
    } else if has("misobasedir=") {
        System::Manjaro
    } else if has("root=live:") || has("rd.live.image") {
        System::Dracut
    } else if has("install=") || has("instsys=") {
        System::Linuxrc
    } else {
        System::Other
    }
}

fn kind(system: System, kernel: &str, arguments: &[String]) -> EntryKind {
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let name = kernel.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    if name.starts_with("memtest") || name.starts_with("mt86") {
        return EntryKind::Tool;
    }
    match system {
        System::Anaconda if has("rescue") || has("inst.rescue") => EntryKind::Rescue,
        System::Anaconda if has("text") || has("inst.text") => EntryKind::Text,
        System::Linuxrc if has("rescue=1") => EntryKind::Rescue,
        System::Anaconda | System::Linuxrc => EntryKind::Install,
        System::Dracut | System::LiveBoot | System::Casper | System::Archiso | System::Manjaro => {
            EntryKind::Live
        }
        System::Other => EntryKind::Other,
    }
}

/// Whether a value means a drive of the machine.
fn is_local(value: &str) -> bool {
    let starts =
        ["cdrom", "cd:", "dvd:", "hd:", "disk:", "LABEL=", "CDLABEL=", "UUID=", "PARTUUID=", "/dev/"];
    value.is_empty() || starts.iter().any(|start| value.starts_with(start))
}

/// A word that names the medium, for the network; `None` when it does not, or nobody knows how.
fn network_word(tree: &dyn FileTree, system: System, argument: &str) -> Option<String> {
    let (name, value) = argument.split_once('=')?;
    match (system, name) {
        // Their value may end in the file's path: cdrom:/ks.cfg, hd:LABEL=x:/ks.cfg.
        (System::Anaconda, "ks" | "inst.ks") if is_local(value) => {
            let (_, path) = value.rsplit_once(':')?;
            let path = path.trim_start_matches('/');
            paths::is_file(tree, path).then(|| format!("{name}={{tree}}/{}", literal(path)))
        }
        (System::Anaconda, "stage2") if is_local(value) => {
            let path = value.rsplit(':').next().unwrap_or_default().trim_start_matches('/');
            let path = if paths::is_file(tree, path) { path } else { "images/install.img" };
            Some(format!("stage2={{tree}}/{}", literal(path)))
        }
        (System::Anaconda, "inst.stage2" | "inst.repo" | "repo" | "method") if is_local(value) => {
            Some(format!("{name}={{tree}}"))
        }
        (System::Dracut, "root") if value.strip_prefix("live:").is_some_and(is_local) => {
            Some(format!("root=live:{{tree}}/{}", literal(&root_image(tree)?)))
        }
        (System::Linuxrc, "install" | "instsys") if is_local(value) => Some(format!("{name}={{tree}}")),
        _ => None,
    }
}

/// The image that a live system's root is in.
fn root_image(tree: &dyn FileTree) -> Option<String> {
    paths::first_file(tree, &["LiveOS/squashfs.img", "LiveOS/rootfs.img", "LiveOS/*.img"])
}

/// The words that lead to the medium where no word of the image does: its ramdisk searches the drives.
fn medium_words(tree: &dyn FileTree, system: System, arguments: &[String]) -> Vec<String> {
    let has = |start: &str| arguments.iter().any(|argument| argument.starts_with(start));
    match system {
        System::LiveBoot if !has("fetch=") && !has("httpfs=") => {
            let told = arguments.iter().find_map(|argument| argument.strip_prefix("live-media-path="));
            let directory = told.unwrap_or("live").trim_matches('/');
            let patterns = [
                format!("{directory}/filesystem.squashfs"),
                format!("{directory}/*.squashfs"),
                "live/filesystem.squashfs".to_owned(),
            ];
            let root = patterns.iter().find_map(|pattern| paths::first_file(tree, &[pattern]));
            root.map(|path| format!("fetch={{tree}}/{}", literal(&path))).into_iter().collect()
        }
        System::Casper if !has("url=") && !has("netboot=") => {
            vec!["url={iso}".to_owned(), "cloud-config-url=/dev/null".to_owned()]
        }
        System::Archiso if !has("archiso_http_srv=") => vec!["archiso_http_srv={tree}/".to_owned()],
        System::Manjaro if !has("miso_http_srv=") => vec!["miso_http_srv={tree}/".to_owned()],
        _ => Vec::new(),
    }
}
