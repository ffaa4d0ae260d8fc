//! What to write where a command or an option is gone.

use super::Release;

/// What to write instead of a command that `release` does not read.
pub(super) fn command(name: &str, release: Release) -> Option<String> {
    let generation = release.generation();
    let text = match name {
        "auth" | "authconfig" if generation >= 8 => "leave it out, or write authselect",
        "authselect" => "write authconfig --enableshadow --passalgo=sha512",
        "install" | "upgrade" => "leave it out: installing is what a kickstart does",
        "interactive" => "leave it out",
        "key" => "leave it out: only EL5 and EL6 had it",
        "langsupport" => "write lang --addsupport=, or leave it out",
        "mouse" | "monitor" | "deviceprobe" | "device" | "multipath" | "dmraid" | "autostep" => {
            "leave it out: the installer finds its hardware"
        }
        "method" => "write url --url=",
        "vnc" => "write rdp --username=USER --password=PASSWORD",
        "rdp" => "write vnc",
        "module" => "write it as @module:stream in %packages",
        "nvdimm" | "unsupported_hardware" => "leave it out",
        "lilo" | "lilocheck" => "write bootloader",
        "sshkey" => "write the key with %post into /root/.ssh/authorized_keys",
        "timesource" => "write timezone ZONE --ntpservers=SERVER",
        "eula" => "leave it out: only EL7 and later ask",
        "reqpart" => "write part /boot",
        "btrfs" => "write part or logvol",
        "bootc" if generation == 9 => "write ostreecontainer",
        "rhsm" | "syspurpose" if release.is_fedora() => "leave it out: Fedora has no subscriptions",
        "realm" => "write it into %post",
        "user" => "write it into %post with useradd",
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to write instead of an option. An empty command stands for any.
pub(super) fn option(command: &str, name: &str, release: Release) -> Option<String> {
    let generation = release.generation();
    let text = match (command, name) {
        ("" | "timezone", "--isUtc") => "write --utc",
        ("" | "timezone", "--ntpservers") if generation >= 9 => {
            "write a line timesource --ntp-server=SERVER for each"
        }
        ("" | "timezone", "--nontp") if generation >= 9 => "write a line timesource --ntp-disable",
        ("" | "%packages", "--instLangs") if generation >= 9 => "write --inst-langs=",
        ("" | "%packages", "--excludeWeakdeps") if generation >= 9 => "write --exclude-weakdeps",
        ("%packages", "--inst-langs") => "write --instLangs=",
        ("%packages", "--exclude-weakdeps") => "write --excludeWeakdeps",
        ("" | "%packages", "--nobase") => "leave it out, or write --nocore",
        ("%packages", "--ignoredeps" | "--resolvedeps") => "leave it out",
        ("" | "logging", "--level") => "leave it out",
        ("" | "repo", "--ignoregroups") => "leave it out",
        ("" | "bootloader", "--upgrade" | "--lba32") => "leave it out",
        ("" | "part", "--active") => "leave it out",
        ("rootpw", "--lock") => "write rootpw --iscrypted !",
        ("rootpw", "--plaintext") => "write rootpw --iscrypted HASH",
        ("autopart", "--type") if generation <= 6 => "leave it out: LVM is all that it knows",
        ("autopart", "--nohome") => "leave it out, or write the part lines",
        ("bootloader", "--boot-drive") => "write --driveorder=DISK",
        ("clearpart", "--list") => "write --drives=",
        ("firewall", "--service") => "write --port=22:tcp",
        ("network", "--activate") => "leave it out",
        ("zerombr", _) => "write zerombr alone",
        _ => return None,
    };
    Some(text.to_owned())
}
