//! What the commands for disks want beyond their options one by one.

use super::{clash, exclude, fault, has_list, needs};
use crate::answer::Release;
use crate::answer::options::Given;

fn encryption(given: &mut Given<'_>) {
    exclude(given, "--pbkdf-time", "--pbkdf-iterations");
}

/// Self-encrypting drives, Fedora 41.
fn hardware_passphrase(given: &mut Given<'_>) {
    let luks2 = given.value("--luks-version").is_some_and(|version| version.starts_with("luks2-"));
    if given.counts("--hw-passphrase") && !(given.has("--encrypted") && luks2) {
        clash(
            given,
            "--hw-passphrase",
            "--hw-passphrase needs --encrypted and a --luks-version of luks2-hw-opal",
        );
    }
}

/// Red Hat took btrfs out with EL8.
fn has_no_btrfs(release: Release) -> bool {
    release.generation() >= 8 && !release.is_fedora()
}

pub(super) fn autopart(given: &mut Given<'_>, release: Release) {
    let kind = given.value("--type").unwrap_or("").to_lowercase();
    let file_system = given.value("--fstype").unwrap_or("");
    if file_system == "btrfs" {
        clash(given, "--fstype", "btrfs is a type here; write --type=btrfs");
    } else if kind == "btrfs" && !file_system.is_empty() {
        clash(given, "--fstype", "--fstype cannot be chosen with --type=btrfs");
    }
    if kind == "btrfs" && has_no_btrfs(release) {
        clash(given, "--type", format!("{release} has no btrfs; write --type=lvm or --type=plain"));
    }
    encryption(given);
    exclude(given, "--noswap", "--hibernation");
    hardware_passphrase(given);
    if kind == "stratis" {
        for option in [
            "--luks-version",
            "--pbkdf",
            "--pbkdf-memory",
            "--pbkdf-time",
            "--pbkdf-iterations",
            "--hw-passphrase",
            "--escrowcert",
            "--backuppassphrase",
            "--cipher",
            "--fstype",
        ] {
            if given.counts(option) {
                clash(given, option, format!("{option} cannot be chosen with --type=stratis"));
            }
        }
    }
}

pub(super) fn btrfs(given: &mut Given<'_>) {
    let words = given.words().count();
    let is_subvolume = given.has("--subvol");
    match words {
        0 => fault(given, "missing-value", "btrfs needs a mount point"),
        1 if is_subvolume => fault(given, "missing-value", "btrfs --subvol needs its parent volume"),
        1 => fault(given, "missing-value", "btrfs needs its partitions"),
        _ => {}
    }
    if is_subvolume && !given.counts("--name") {
        fault(given, "missing-option", "btrfs --subvol needs --name=");
    }
    if given.has("--noformat") || given.has("--useexisting") {
        no_format_options(given);
    }
}

pub(super) fn logvol(given: &mut Given<'_>, release: Release) {
    let generation = release.generation();
    let exists = given.has("--useexisting") || given.has("--noformat");
    if generation >= 6 {
        exclude(given, "--thin", "--thinpool");
        needs(given, "--thin", "--poolname");
        needs(given, "--chunksize", "--thinpool");
        needs(given, "--metadatasize", "--thinpool");
    }
    if generation < 7 {
        return;
    }
    if given.has("--resize") && !exists {
        clash(given, "--resize", "--resize is of no use without --useexisting");
    }
    needs(given, "--resize", "--size");
    let sizes = ["--percent", "--size", "--recommended", "--hibernation"];
    if !exists && !sizes.iter().any(|option| given.counts(option)) {
        fault(given, "missing-option", "logvol needs --size=, --percent=, --recommended or --useexisting");
    }
    if given.number("--percent").is_some_and(|percent| !(0..=100).contains(&percent)) {
        clash(given, "--percent", "--percent is from 0 to 100");
    }
    exclude(given, "--size", "--percent");
    if given.has("--noformat") {
        no_format_options(given);
    }
    exclude(given, "--fsprofile", "--mkfsoptions");
    if generation >= 8 {
        cache(given, exists);
        encryption(given);
        if has_no_btrfs(release) && given.value("--fstype") == Some("btrfs") {
            clash(given, "--fstype", format!("{release} has no btrfs"));
        }
    }
}

fn cache(given: &mut Given<'_>, exists: bool) {
    let options = ["--cachesize", "--cachemode", "--cachepvs"];
    let Some(first) = options.into_iter().find(|option| given.counts(option)) else { return };
    if exists {
        clash(given, first, "a volume that exists gets no cache");
    }
    if given.has("--thin") {
        clash(given, first, "a thin volume gets no cache");
    }
    if !has_list(given, "--cachepvs") || !given.counts("--cachesize") {
        clash(given, first, "a cache needs --cachepvs= and --cachesize=");
    }
    let mode = given.value("--cachemode").unwrap_or("");
    if !["", "writeback", "writethrough"].contains(&mode) {
        clash(given, "--cachemode", "--cachemode is writeback or writethrough");
    }
}

/// `--mkfsoptions` where nothing is formatted.
fn no_format_options(given: &mut Given<'_>) {
    if given.counts("--mkfsoptions") {
        clash(given, "--mkfsoptions", "--mkfsoptions is of no use where nothing is formatted");
    }
}

pub(super) fn mount(given: &mut Given<'_>) {
    let point = given.words().nth(1).map(|word| (word.text.clone(), word.column));
    if let Some((point, column)) = point
        && point.to_lowercase() != "none"
        && !point.starts_with('/')
    {
        given.wrong(column, "option-value", format!("\"{point}\" is no mount point; it begins with /"));
    }
    if !given.has("--reformat") && given.counts("--mkfsoptions") {
        clash(given, "--mkfsoptions", "--mkfsoptions is of no use without --reformat");
    }
}

pub(super) fn nvdimm(given: &mut Given<'_>) {
    let Some(action) = given.first_word().map(|word| word.text.clone()) else { return };
    if !["reconfigure", "use"].contains(&action.as_str()) {
        fault(given, "option-value", "nvdimm wants reconfigure or use");
    }
    let (namespace, devices) = (given.counts("--namespace"), has_list(given, "--blockdevs"));
    if namespace && devices {
        clash(given, "--blockdevs", "--namespace and --blockdevs exclude each other");
    }
    if !namespace && (action == "reconfigure" || !devices) {
        fault(given, "missing-option", "nvdimm needs --namespace=");
    }
    if action == "reconfigure" && given.has("--mode") && !given.counts("--sectorsize") {
        clash(given, "--mode", "--mode=sector needs --sectorsize=");
    }
}

pub(super) fn part(given: &mut Given<'_>, release: Release) {
    if release.generation() < 7 {
        return;
    }
    needs(given, "--resize", "--onpart");
    needs(given, "--resize", "--size");
    let file_system = given.value("--fstype").unwrap_or("").to_owned();
    if file_system == "tmpfs" && (given.has("--grow") || given.counts("--maxsize")) {
        clash(given, "--fstype", "--fstype=tmpfs does not grow; leave --grow and --maxsize out");
    }
    if given.has("--noformat") {
        no_format_options(given);
    }
    exclude(given, "--fsprofile", "--mkfsoptions");
    encryption(given);
    hardware_passphrase(given);
    let is_btrfs =
        file_system == "btrfs" || given.first_word().is_some_and(|word| word.text.starts_with("btrfs."));
    if is_btrfs && has_no_btrfs(release) {
        clash(given, "--fstype", format!("{release} has no btrfs"));
    }
}

pub(super) fn raid(given: &mut Given<'_>, release: Release) {
    let exists = given.has("--useexisting") || given.has("--noformat");
    let first = given.runs.first().map_or(0, Vec::len);
    let members =
        if first > 1 { first.saturating_sub(1) } else { given.runs.iter().skip(1).map(Vec::len).sum() };
    if members == 0 && !exists {
        fault(given, "missing-value", "raid needs its partitions");
    } else if members > 0 && exists {
        fault(given, "option-clash", "raid that exists has its partitions; leave them out");
    }
    if !exists && !given.has("--level") {
        fault(given, "missing-option", "raid needs --level=");
    }
    if exists && given.value("--device").is_some_and(|device| matches!(device, "" | "md")) {
        clash(given, "--device", "--device is empty");
    }
    if release.generation() >= 7 {
        if given.has("--noformat") {
            no_format_options(given);
        }
        exclude(given, "--fsprofile", "--mkfsoptions");
        encryption(given);
        if has_no_btrfs(release) && given.value("--fstype") == Some("btrfs") {
            clash(given, "--fstype", format!("{release} has no btrfs"));
        }
    }
}

pub(super) fn snapshot(given: &mut Given<'_>) {
    let Some(origin) = given.first_word().cloned() else { return };
    let parts: Vec<&str> = origin.text.split('/').collect();
    if parts.len() != 2 || parts.iter().any(|part| part.is_empty()) {
        given.wrong(origin.column, "option-value", "snapshot wants a volume as GROUP/VOLUME");
    }
}

pub(super) fn stratispool(given: &mut Given<'_>) {
    let words = given.words().count();
    let exists = given.has("--useexisting");
    match words {
        0 => fault(given, "missing-value", "stratispool needs a name"),
        1 if !exists => fault(given, "missing-value", "stratispool needs its partitions"),
        2.. if exists => fault(given, "option-clash", "a pool that exists has its partitions"),
        _ => {}
    }
    needs(given, "--passphrase", "--encrypted");
}

pub(super) fn volgroup(given: &mut Given<'_>) {
    let words = given.words().count();
    let exists = given.has("--useexisting") || given.has("--noformat");
    match words {
        0 => fault(given, "missing-value", "volgroup needs a name"),
        1 if !exists => fault(given, "missing-value", "volgroup needs its partitions"),
        2.. if exists => fault(given, "option-clash", "a volgroup that exists has its partitions"),
        _ => {}
    }
    if given.number("--reserved-space").is_some_and(|space| space < 0) {
        clash(given, "--reserved-space", "--reserved-space is not below 0");
    }
    if given.number("--reserved-percent").is_some_and(|percent| !(1..=99).contains(&percent)) {
        clash(given, "--reserved-percent", "--reserved-percent is from 1 to 99");
    }
}
