//! What a command wants beyond its options one by one: what excludes what, what needs what.
//!
//! Source: what pykickstart's `commands/` accept, release by release; `tests/kickstart_oracle.rs` compares.

mod storage;

use super::super::Release;
use super::super::options::{Given, Problem};
use storage::{autopart, btrfs, logvol, mount, nvdimm, part, raid, snapshot, stratispool, volgroup};

/// The commands that cannot stand in one file with `command`.
pub(super) fn conflicts(command: &str, release: Release) -> &'static [&'static str] {
    let generation = release.generation();
    match command {
        "autopart" if generation == 6 => &["part", "raid", "volgroup", "logvol"],
        "part" | "raid" | "logvol" if generation == 6 => &["autopart"],
        "volgroup" if generation == 6 => &["autopart", "mount"],
        "autopart" if generation >= 7 => {
            &["part", "raid", "volgroup", "logvol", "reqpart", "stratispool", "stratisfs"]
        }
        "part" | "raid" | "volgroup" | "logvol" | "reqpart" | "stratispool" | "stratisfs"
            if generation >= 7 =>
        {
            &["autopart", "mount"]
        }
        "mount" => &["autopart", "part", "raid", "volgroup", "logvol", "reqpart", "stratispool", "stratisfs"],
        "ostreecontainer" => &["ostreesetup", "bootc"],
        "ostreesetup" if generation >= 10 => &["ostreecontainer", "bootc"],
        "bootc" => &["ostreesetup", "ostreecontainer"],
        _ => &[],
    }
}

/// Commands whose plain words are names; a negative number is none.
const NAMES_ONLY: [&str; 5] = ["btrfs", "device", "key", "langsupport", "raid"];

/// Judges the options of one command together. `typed` is the name as it stands in the file.
pub(super) fn judge(given: &mut Given<'_>, command: &str, typed: &str, release: Release) {
    let negative = given.words().find(|word| word.text.starts_with('-'));
    if NAMES_ONLY.contains(&command)
        && let Some(word) = negative
    {
        given.wrong(word.column, "unexpected-word", format!("{command} has no use for \"{}\"", word.text));
    }
    match command {
        "autopart" => autopart(given, release),
        "bootloader" => bootloader(given, release),
        "btrfs" => btrfs(given),
        "cmdline" if typed == "cmdline" && given.has("--non-interactive") => {
            clash(given, "--non-interactive", "cmdline asks nothing anyway; leave --non-interactive out");
        }
        "device" => {
            let wanted = if release.generation() == 5 { 2 } else { 1 };
            exactly(given, wanted, "device wants the name of a module");
        }
        "driverdisk" => driverdisk(given),
        "eula" if !given.has("--agreed") => fault(given, "missing-option", "eula needs --agreed"),
        "harddrive" if release.generation() <= 8 => {
            one_of(given, &["--biospart", "--partition"], "harddrive");
        }
        "ignoredisk" if (6..=7).contains(&release.generation()) => {
            one_of(given, &["--drives", "--only-use", "--interactive"], "ignoredisk");
        }
        "ignoredisk" => one_of(given, &["--drives", "--only-use"], "ignoredisk"),
        "key" if !given.has("--skip") => exactly(given, 1, "key wants the key, or --skip"),
        "keyboard" => keyboard(given, release),
        "logging" if given.counts("--port") && !given.counts("--host") => {
            clash(given, "--port", "--port is of no use without --host");
        }
        "logvol" => logvol(given, release),
        "mount" => mount(given),
        "network" => network(given, release),
        "nvdimm" => nvdimm(given),
        "ostreesetup" => {
            let url = given.value("--url").unwrap_or("http:");
            if !["file:", "http:", "https:"].iter().any(|scheme| url.starts_with(scheme)) {
                clash(given, "--url", "--url of ostreesetup begins with http:, https: or file:");
            }
        }
        "part" => part(given, release),
        "raid" => raid(given, release),
        "realm" => realm(given),
        // From EL7 on the installer may know where a repository of this name is.
        "repo" if release.generation() >= 7 && !sources(given, &REPO_SOURCES) => {}
        "repo" => one_of(given, &REPO_SOURCES, "repo"),
        "rescue" if given.has("--nomount") && given.has("--romount") => {
            clash(given, "--romount", "--nomount and --romount exclude each other");
        }
        "rhsm" if given.options.iter().any(|it| it.name == "--activation-key" && it.value == Some("")) => {
            clash(given, "--activation-key", "an activation key is empty");
        }
        "rootpw" => rootpw(given, release),
        "services" if !has_list(given, "--enabled") && !has_list(given, "--disabled") => {
            fault(given, "missing-option", "services needs --enabled= or --disabled=");
        }
        "snapshot" => snapshot(given),
        "sshpw" if given.first_word().is_none() => {
            fault(given, "missing-value", "sshpw needs a password or its hash");
        }
        "stratispool" => stratispool(given),
        "stratisfs" if given.counts("--maxsize") && !given.has("--grow") => {
            clash(given, "--maxsize", "--maxsize is of no use without --grow");
        }
        "timesource" => one_of(given, &["--ntp-server", "--ntp-pool", "--ntp-disable"], "timesource"),
        "timezone" => timezone(given, release),
        "install" if given.value("--root-device") == Some("") => {
            clash(given, "--root-device", "--root-device is empty");
        }
        "updates" => {
            let second = given.words().nth(1);
            if let Some(word) = second {
                given.wrong(word.column, "unexpected-word", "updates takes one value");
            }
        }
        "url" if release.generation() >= 7 => one_of(given, &["--url", "--mirrorlist", "--metalink"], "url"),
        "volgroup" => volgroup(given),
        "zerombr" if release.generation() == 5 => {
            if let Some(word) = given.first_word() {
                let message = format!("zerombr has no use for \"{}\"", word.text);
                let (column, code) = (word.column, "deprecated-option");
                given.problems.push(Problem { column, is_deprecated: true, code, message, instead: None });
            }
        }
        "zerombr" => {
            if let Some(word) = given.first_word() {
                given.wrong(word.column, "unexpected-word", "zerombr takes no value; write zerombr alone");
            }
        }
        "zfcp" if release.generation() >= 9 && given.counts("--wwpn") != given.counts("--fcplun") => {
            fault(given, "missing-option", "zfcp takes --wwpn and --fcplun together or not at all");
        }
        "%packages" => packages(given),
        "%certificate" if !given.counts("--dir") && !given.counts("--type") => {
            fault(given, "missing-option", "%certificate needs --dir=");
        }
        _ => {}
    }
}

/// The options that say where a repository is.
const REPO_SOURCES: [&str; 3] = ["--baseurl", "--mirrorlist", "--metalink"];

/// Whether any of these options counts.
fn sources(given: &Given<'_>, options: &[&str]) -> bool {
    options.iter().any(|option| given.counts(option))
}

/// A fault of the whole line.
fn fault(given: &mut Given<'_>, code: &'static str, message: &str) {
    given.wrong(1, code, message);
}

/// A fault at one option.
fn clash(given: &mut Given<'_>, option: &str, message: impl Into<String>) {
    let column = given.column(option);
    given.wrong(column, "option-clash", message);
}

/// Two options that exclude each other.
fn exclude(given: &mut Given<'_>, one: &str, other: &str) {
    if given.counts(one) && given.counts(other) {
        clash(given, other, format!("{one} and {other} exclude each other"));
    }
}

/// An option without another that it needs.
fn needs(given: &mut Given<'_>, one: &str, other: &str) {
    if given.counts(one) && !given.counts(other) {
        clash(given, one, format!("{one} is of no use without {other}"));
    }
}

/// Whether the list has anything in it.
fn has_list(given: &Given<'_>, option: &str) -> bool {
    given.value(option).is_some_and(|list| list.split(',').any(|item| !item.trim().is_empty()))
}

fn one_of(given: &mut Given<'_>, options: &[&str], command: &str) {
    // A list of nothing, as `--drives=,`, is none.
    let is_given = |option: &&&str| match **option {
        "--drives" | "--only-use" => has_list(given, option),
        "--biospart" | "--partition" => given.has(option),
        _ => given.counts(option),
    };
    let count = options.iter().filter(is_given).count();
    if count == 0 {
        fault(given, "missing-option", &format!("{command} needs one of {}", options.join(", ")));
    } else if count > 1 {
        fault(given, "option-clash", &format!("{command} takes only one of {}", options.join(", ")));
    }
}

fn exactly(given: &mut Given<'_>, wanted: usize, message: &str) {
    if given.words().count() != wanted {
        fault(given, "missing-value", message);
    }
}

fn bootloader(given: &mut Given<'_>, release: Release) {
    if release.generation() >= 7 && given.value("--boot-drive").is_some_and(|drive| drive.contains(',')) {
        clash(given, "--boot-drive", "--boot-drive takes one disk");
    }
    exclude(given, "--extlinux", "--sdboot");
}

fn driverdisk(given: &mut Given<'_>) {
    let words = given.words().filter(|word| !word.text.is_empty()).map(|_| true);
    let options = ["--source", "--biospart"].map(|option| given.counts(option));
    match words.chain(options).filter(|is_given| *is_given).count() {
        0 => fault(given, "missing-value", "driverdisk needs a partition, --source= or --biospart="),
        1 => {}
        _ => fault(given, "option-clash", "driverdisk takes one of a partition, --source= and --biospart="),
    }
}

fn keyboard(given: &mut Given<'_>, release: Release) {
    let words = given.words().count();
    if release.generation() <= 6 {
        if words != 1 {
            fault(given, "missing-value", "keyboard wants one layout, such as us");
        }
        return;
    }
    if words > 1 {
        fault(given, "unexpected-word", "keyboard takes one layout; more are --xlayouts=us,de");
    } else if words == 0 && !given.counts("--vckeymap") && !has_list(given, "--xlayouts") {
        fault(given, "missing-value", "keyboard wants --vckeymap=us, --xlayouts=us, or a layout");
    }
}

fn network(given: &mut Given<'_>, release: Release) {
    if release.generation() < 7 {
        return;
    }
    if release == Release::Enterprise(7)
        && let Some(fault) = given.value("--interfacename").and_then(interface_fault)
    {
        clash(given, "--interfacename", fault);
    }
    needs(given, "--bridgeopts", "--bridgeslaves");
    let options = given.value("--bridgeopts").filter(|options| !options.is_empty());
    let is_pair =
        |pair: &str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty() && !value.contains('='));
    if options.is_some_and(|options| !options.split(',').all(is_pair)) {
        clash(given, "--bridgeopts", "--bridgeopts is written key=value,key=value");
    }
    if given.value("--bindto") == Some("mac") && given.counts("--vlanid") && !given.counts("--bondopts") {
        clash(given, "--bindto", "--bindto=mac cannot be chosen for a VLAN");
    }
    if release.generation() >= 10 {
        for option in
            ["--ipv4-dns-search", "--ipv6-dns-search", "--ipv4-ignore-auto-dns", "--ipv6-ignore-auto-dns"]
        {
            needs(given, option, "--device");
        }
    }
}

/// What EL7 has against a name of an interface: a number of a VLAN that is none.
fn interface_fault(name: &str) -> Option<&'static str> {
    const RANGE: &str = "the number of a VLAN is from 0 to 4095";
    let valid = |text: &str| text.trim().parse::<i64>().is_ok_and(|number| (0..=4095).contains(&number));
    if let Some((prefix, number)) = name.split_once('.') {
        if prefix == "vlan" {
            return Some("write vlan5 or eth0.5, not vlan.5");
        }
        if !valid(number) {
            return Some(RANGE);
        }
    }
    name.strip_prefix("vlan").filter(|number| !valid(number)).map(|_| RANGE)
}

/// `realm join [OPTION ...] REALM`, read as `getopt` does: the first plain word ends the options.
fn realm(given: &mut Given<'_>) {
    const VALUES: [&str; 5] = [
        "--client-software",
        "--server-software",
        "--membership-software",
        "--one-time-password",
        "--computer-ou",
    ];
    let words: Vec<(String, usize)> = given.words().map(|word| (word.text.clone(), word.column)).collect();
    let mut words = words.into_iter();
    if words.next().is_none_or(|(word, _)| word != "join") {
        return fault(given, "missing-value", "realm wants join and the name of a realm");
    }
    let mut names = 0_usize;
    while let Some((word, column)) = words.next() {
        if names > 0 || !word.starts_with("--") {
            names = names.saturating_add(1);
            continue;
        }
        let (name, value) =
            word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        if VALUES.contains(&name) {
            if value.is_none() && words.next().is_none() {
                given.wrong(column, "option-value", format!("{name} wants a value"));
            }
        } else if name != "--no-password" || value.is_some() {
            given.wrong(column, "unknown-option", format!("realm join has no option {word}"));
        }
    }
    if names != 1 {
        fault(given, "missing-value", "realm join wants one realm");
    }
}

fn rootpw(given: &mut Given<'_>, release: Release) {
    let has_password = given.first_word().is_some_and(|word| !word.text.is_empty());
    if !has_password && release.generation() >= 7 && !given.has("--lock") {
        fault(given, "missing-value", "rootpw needs a password's hash, or --lock");
    } else if !has_password && release.generation() < 7 {
        fault(given, "missing-value", "rootpw needs a password's hash");
    }
}

fn timezone(given: &mut Given<'_>, release: Release) {
    let words: Vec<(String, usize)> = given.words().map(|word| (word.text.clone(), word.column)).collect();
    if release.generation() >= 7 {
        if words.is_empty() && given.options.is_empty() && given.problems.is_empty() {
            fault(given, "missing-value", "timezone needs a zone, such as Etc/UTC");
        } else if let [_, (word, column), ..] = words.as_slice()
            && given.runs.len() == 1
        {
            given.wrong(*column, "unexpected-word", format!("timezone has no use for \"{word}\""));
        }
    }
    if given.has("--nontp") && has_list(given, "--ntpservers") {
        clash(given, "--nontp", "--nontp and --ntpservers exclude each other");
    }
}

fn packages(given: &mut Given<'_>) {
    for option in ["--nobase", "--nocore"] {
        if given.has("--default") && given.has(option) {
            clash(given, option, format!("--default and {option} exclude each other"));
        }
    }
}
