//! What the installer takes and people may not want: questions, passwords in the open, disks erased without a guard.
//!
//! Most real files have some of it (434 of 560 erase every disk), so it is told and stops nothing.

use super::super::Release;
use super::super::finding::{Finding, Severity};
use super::super::hash::{self, Scheme};
use super::restart::Restart;
use super::walk::{Seen, Walk};

/// What the installer asks for when no command of these is there: the commands, what it asks, an example.
const QUESTIONS: [(&[&str], &str, &str); 5] = [
    (&["lang"], "the language", "write lang en_US.UTF-8"),
    (&["keyboard"], "the keyboard", "write keyboard us"),
    (&["timezone"], "the time zone", "write timezone --utc Etc/UTC"),
    (&["rootpw", "user"], "a password", "write rootpw --iscrypted HASH"),
    (
        &["autopart", "part", "mount", "raid", "logvol", "btrfs", "stratispool", "ostreesetup"],
        "the disk",
        "run pxego ks --wipe RULE and take its storage lines",
    ),
];

/// Advice on the whole file.
pub(super) fn advise(walk: &Walk, release: Release) -> Vec<Finding> {
    let mut advice = Vec::new();
    // Another file may have what is missing here.
    if !walk.includes {
        questions(walk, release, &mut advice);
    }
    for seen in &walk.seen {
        secrets(seen, release, &mut advice);
    }
    wiping(walk, &mut advice);
    advice
        .extend(walk.restarts.iter().map(|(section, line, restart)| hides_the_end(section, *line, *restart)));
    advice
}

fn questions(walk: &Walk, release: Release, advice: &mut Vec<Finding>) {
    let mut asks = |what: &str, example: &str| {
        let message = format!("the installer will ask for {what}");
        advice.push(Finding::whole(Severity::Advice, "asks", message).instead(example));
    };
    for (commands, what, example) in QUESTIONS {
        if commands.iter().all(|command| walk.command(command).is_none()) {
            asks(what, example);
        }
    }
    let generation = release.generation();
    if generation <= 6 && walk.command("bootloader").is_none() {
        asks("the boot loader", "write bootloader --location=mbr");
    }
    if generation >= 7 && !walk.sections.iter().any(|(name, _)| name == "%packages") {
        asks("the packages", "write %packages, @core and %end, each on a line of its own");
    }
    if walk.command("halt").is_none() {
        let message = "the machine waits for Enter when it is installed";
        advice.push(Finding::whole(Severity::Advice, "asks", message).instead("write reboot or poweroff"));
    }
}

fn secrets(seen: &Seen, release: Release, advice: &mut Vec<Finding>) {
    let has = |option: &str| seen.value(option).is_some();
    let (password, column) = match seen.name {
        "rootpw" | "sshpw" => match seen.words.first() {
            Some(word) => (word.text.as_str(), word.column),
            None => return,
        },
        "user" | "bootloader" => match seen.value("--password") {
            Some(password) => (password, seen.option_column("--password")),
            None => return,
        },
        _ => return,
    };
    let mut say = |code, message: String, instead: &str| {
        advice.push(
            Finding::at(Severity::Advice, seen.line, column, code, message).instead(instead.to_owned()),
        );
    };
    let name = &seen.typed;
    if password.is_empty() || has("--lock") && !has("--iscrypted") {
        return;
    }
    if seen.name == "bootloader" {
        if !has("--iscrypted") && !password.starts_with("grub.pbkdf2.") {
            let message =
                "the boot loader's password can be read by everybody who can read this file".to_owned();
            say("plaintext-password", message, "write --iscrypted and what grub2-mkpasswd-pbkdf2 prints");
        }
        return;
    }
    if !has("--iscrypted") {
        let message = format!("the password of {name} can be read by everybody who can read this file");
        return say(
            "plaintext-password",
            message,
            "write --iscrypted and what mkpasswd -m sha512crypt prints",
        );
    }
    let message = match hash::scheme(password) {
        _ if password.starts_with(['!', '*']) => return,
        Some(Scheme::Yescrypt) if !hash::reads_yescrypt(release) => {
            format!("{release} does not read yescrypt: nobody can log in")
        }
        Some(_) if !hash::is_whole(password) => {
            "this hash is cut short, or has a slip in it: nobody can log in".to_owned()
        }
        Some(Scheme::Sha512 | Scheme::Sha256 | Scheme::Bcrypt | Scheme::Yescrypt) => return,
        Some(Scheme::Md5) => "this hash is MD5, which is broken in hours".to_owned(),
        Some(Scheme::Des) => "this hash is DES, which is broken in minutes".to_owned(),
        None => "this is no hash that crypt(3) knows: nobody can log in".to_owned(),
    };
    say("weak-hash", message, "write what mkpasswd -m sha512crypt prints");
}

/// A script that ends the installer before the last hook says how it went.
fn hides_the_end(section: &str, line: usize, restart: Restart) -> Finding {
    let Restart { column, command } = restart;
    let (message, instead) = if section == "%post" {
        (
            format!(
                "this ends the installer in {section}: the server never hears that it finished, and installs again"
            ),
            format!(
                "leave it out here, and write {command} as a command of the kickstart, outside its sections"
            ),
        )
    } else {
        (
            format!("this ends the installer in {section}: the server never hears what failed"),
            "leave it out: the server says what failed, and the installer shows it".to_owned(),
        )
    };
    Finding::at(Severity::Advice, line, column, "hides-the-end", message).instead(instead)
}

/// Disks erased whatever is on them, in whatever machine boots.
fn wiping(walk: &Walk, advice: &mut Vec<Finding>) {
    let is_guarded = walk.command("ignoredisk").is_some_and(|seen| seen.value("--only-use").is_some());
    if is_guarded {
        return;
    }
    let erases = |seen: &&Seen| {
        seen.name == "clearpart"
            && (seen.value("--all").is_some() || seen.value("--linux").is_some())
            && seen.value("--drives").is_none()
    };
    if let Some(seen) = walk.seen.iter().find(erases) {
        let what = if seen.value("--all").is_some() { "every disk" } else { "every Linux partition" };
        let message = format!("this erases {what} of whatever machine boots, USB disks too");
        advice.push(
            Finding::at(Severity::Advice, seen.line, 1, "wipes", message).instead(
                "write ignoredisk --only-use=DISK, or let pxego ks --wipe RULE choose on the machine",
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::walk;
    use super::*;

    /// Codes and lines of the advice, without what is about the file as a whole.
    fn advice(text: &str, release: Release) -> Vec<(&'static str, usize)> {
        let all = advise(&walk(text, release), release);
        all.iter().filter(|finding| finding.line > 0).map(|finding| (finding.code, finding.line)).collect()
    }

    #[test]
    fn a_hash_that_the_release_reads_is_good() {
        let yescrypt = "rootpw --iscrypted $y$j9T$saltsaltsalt$J0muOjlZ8y67VOLVIz09WHd4LXM2lwrrtZHXBEsohS8\n";
        let weak = [("weak-hash", 1)];
        for (release, expected) in [
            (Release::Enterprise(8), &weak[..]),
            (Release::Enterprise(9), &[]),
            (Release::Fedora(29), &weak),
            (Release::Fedora(33), &[]),
        ] {
            assert_eq!(advice(yescrypt, release), expected, "{release}");
        }
        let cut = "user --name=a --iscrypted --password=$6$salt$short\n";
        assert_eq!(advice(cut, Release::Enterprise(9)), weak);
        assert!(advice("rootpw --iscrypted !!\n", Release::Enterprise(7)).is_empty());
    }

    #[test]
    fn a_restart_in_a_late_script_is_told_with_its_line() {
        let text = "reboot\n%pre\nreboot\n%end\n%post --interpreter=/usr/bin/python3\nreboot\n%end\n\
                    %post\necho x\nreboot\n%end\n%onerror\npoweroff\n%end\n";
        let restarts = [("hides-the-end", 10), ("hides-the-end", 13)];
        assert_eq!(advice(text, Release::Enterprise(9)), restarts);
    }
}
