//! Which disk may be erased: a rule, judged by a script on the machine itself before the installer looks at its disks.
//!
//! Without a rule there are no storage commands and the installer asks. Whatever the rule says, a removable or external
//! disk is never taken, nor one that the installer came from; where no disk fits, the machine stops and says why.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::Release;
use super::quote::{kickstart, one_line, shell, shell_pattern};

/// Where the script leaves the storage commands for the kickstart to include.
pub const INCLUDE: &str = "/tmp/pxego-disk.ks";

/// The line of the script that takes the URL a refusal is reported to.
const REPORT_LINE: &str = "pxego_report=''";

/// The script, but for the rule.
const SCRIPT: &str = include_str!("guard.sh");

/// Most characters of a rule.
const MAX_LEN: usize = 500;

/// What may be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wipe {
    /// As it was written.
    text: String,
    terms: Vec<Term>,
    pick: Pick,
}

/// Something that a disk has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// Without partitions, and with nothing in its first and last MiB.
    Blank,
    /// Called this by the kernel.
    Name(String),
    /// Called this by udev, below `/dev/disk/by-…/`.
    Id(String),
    /// At least so large, in bytes.
    AtLeast(u64),
    /// At most so large, in bytes.
    AtMost(u64),
    /// Of a model that fits this pattern.
    Model(String),
    /// With a serial number that fits this pattern.
    Serial(String),
    /// On this bus.
    Transport(String),
}

/// Which of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pick {
    /// There must be one only.
    Only,
    Smallest,
    Largest,
    All,
}

/// Buses that a rule may name. External ones are never taken.
const TRANSPORTS: [&str; 6] = ["nvme", "sata", "sas", "scsi", "virtio", "mmc"];

impl FromStr for Wipe {
    type Err = String;

    /// Reads terms separated by commas: `blank`, `all`, `smallest`, `largest`, `nvme0n1`, `by-id/ata-X`, `size>=100G`,
    /// `size<=2T`, `model=X*`, `serial=X`, `transport=nvme`.
    fn from_str(text: &str) -> Result<Self, String> {
        one_line(text).map_err(|error| error.to_string())?;
        if text.chars().count() > MAX_LEN {
            return Err(format!("a rule has at most {MAX_LEN} characters"));
        }
        let mut wipe = Self { text: text.to_owned(), terms: Vec::new(), pick: Pick::Only };
        for term in text.split(',').map(str::trim) {
            match term {
                "" => return Err(format!("\"{text}\" has an empty term; {HELP}")),
                "smallest" => wipe.pick = Pick::Smallest,
                "largest" => wipe.pick = Pick::Largest,
                "all" => wipe.pick = Pick::All,
                "blank" => wipe.terms.push(Term::Blank),
                _ => wipe.terms.push(parse_term(term)?),
            }
        }
        // Of blank disks any will do; the smallest is the one that is bought to boot from.
        if wipe.pick == Pick::Only && wipe.terms.contains(&Term::Blank) {
            wipe.pick = Pick::Smallest;
        }
        Ok(wipe)
    }
}

impl Wipe {
    /// The path of the one disk that the rule names, and nothing else: for installers that cannot judge a rule.
    pub fn device(&self) -> Option<String> {
        match (self.terms.as_slice(), self.pick) {
            ([Term::Name(name)], Pick::Only) => Some(format!("/dev/{name}")),
            ([Term::Id(_)], Pick::Only) => {
                let text = self.text.trim();
                let text = text.strip_prefix("/dev/").unwrap_or(text);
                Some(format!("/dev/disk/{}", text.strip_prefix("disk/").unwrap_or(text)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Wipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a rule is made of.
const HELP: &str = "write blank, all, or terms such as size>=100G, model=X*, serial=X, transport=nvme, smallest, \
                    largest, nvme0n1, by-id/X, with commas between them";

fn parse_term(term: &str) -> Result<Term, String> {
    if let Some(size) = term.strip_prefix("size>=") {
        return parse_size(size).map(Term::AtLeast);
    }
    if let Some(size) = term.strip_prefix("size<=") {
        return parse_size(size).map(Term::AtMost);
    }
    if let Some((key, value)) = term.split_once('=') {
        let value = value.trim().to_owned();
        return match key.trim() {
            _ if value.is_empty() => Err(format!("{term} has no value; {HELP}")),
            "model" => Ok(Term::Model(value)),
            "serial" => Ok(Term::Serial(value)),
            "transport" if TRANSPORTS.contains(&value.as_str()) => Ok(Term::Transport(value)),
            "transport" => Err(format!("{term}: the bus is one of {}", TRANSPORTS.join(", "))),
            key => Err(format!("\"{key}\" is nothing that a disk has; {HELP}")),
        };
    }
    let name = term.strip_prefix("/dev/").unwrap_or(term);
    if let Some((kind, id)) = name.strip_prefix("disk/").unwrap_or(name).split_once('/')
        && kind.starts_with("by-")
        && !id.is_empty()
    {
        return Ok(Term::Id(id.to_owned()));
    }
    let is_name = name.len() >= 3
        && name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '/')
        && name.chars().any(|c| c.is_ascii_alphabetic());
    const KINDS: [&str; 8] = ["sd", "vd", "hd", "xvd", "nvme", "mmcblk", "cciss/", "dasd"];
    if is_name && KINDS.iter().any(|kind| name.starts_with(kind)) {
        return Ok(Term::Name(name.to_owned()));
    }
    Err(format!("\"{term}\" is no term of a rule; {HELP}"))
}

/// A size as disks are sold: `500G` is 500 times 10^9, `500GiB` 500 times 2^30.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text} is no size; write 500G, 2T or 512GiB");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let factor = match unit.trim() {
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1_u64 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).filter(|bytes| *bytes >= 1 << 20).ok_or_else(wrong)
}

/// What is done with the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Logical volumes, the installer's own default.
    #[default]
    Lvm,
    /// Partitions and nothing more.
    Plain,
    /// Logical volumes that take space when they need it; from EL7 on.
    Thin,
}

/// What the storage commands are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage<'a> {
    /// What may be erased.
    pub wipe: &'a Wipe,
    /// How the disk is divided.
    pub layout: Layout,
    /// Whether `/home` gets a volume of its own.
    pub home: bool,
    /// Whether there is swap; EL7 and older make some anyway.
    pub swap: bool,
    /// Whether it is encrypted; with an empty passphrase the installer asks for one.
    pub passphrase: Option<&'a str>,
    /// More arguments for the kernel of the installed system. Has no backslash.
    pub arguments: &'a str,
}

impl Storage<'_> {
    /// The script that chooses the disk on the machine and writes [`INCLUDE`]; every line ended.
    pub fn script(&self, release: Release) -> String {
        let rule = self.wipe.to_string();
        let mut terms = String::new();
        for term in &self.wipe.terms {
            let _ = writeln!(terms, "    {}", term.test());
        }
        let (pick, only) = self.wipe.pick.code();
        // The rule comes last: what it says must not be taken for a mark of ours.
        SCRIPT
            .replace("@TERMS@\n", &terms)
            .replace("@PICK@\n", pick)
            .replace("@ONLY@\n", only)
            .replace("@STORAGE@\n", &self.commands(release))
            .replace("@RULE_WORD@", &shell(&rule))
            .replace("@RULE@", &rule)
    }

    /// Shell that prints the storage commands for `$chosen`.
    fn commands(&self, release: Release) -> String {
        let generation = release.generation();
        let drive = if generation <= 6 { "driveorder" } else { "boot-drive" };
        let mut loader = String::new();
        if !self.arguments.is_empty() {
            loader = shell(&format!(" --append={}", kickstart(self.arguments)));
        }
        let mut text = String::from(
            "echo \"ignoredisk --only-use=$chosen\"\necho zerombr\n\
             echo \"clearpart --all --initlabel --drives=$chosen\"\n",
        );
        let _ = writeln!(text, "echo \"bootloader --location=mbr --{drive}=$first\"{loader}");
        let encryption = match self.passphrase {
            None => String::new(),
            Some("") => " --encrypted".to_owned(),
            Some(passphrase) => format!(" --encrypted --passphrase={}", kickstart(passphrase)),
        };
        if self.layout == Layout::Plain && generation <= 6 {
            let (kind, boot) = if generation == 5 { ("ext3", 200) } else { ("ext4", 500) };
            text.push_str("[ ! -d /sys/firmware/efi ] || echo 'part /boot/efi --fstype=efi --size=200'\n");
            let _ = writeln!(text, "cat <<'PXEGO_STORAGE'\npart /boot --fstype={kind} --size={boot}");
            if self.swap {
                let _ = writeln!(text, "part swap --recommended{encryption}");
            }
            let _ = writeln!(text, "part / --fstype={kind} --size=4096 --grow{encryption}\nPXEGO_STORAGE");
            return text;
        }
        let mut autopart = "autopart".to_owned();
        if generation >= 7 {
            autopart += match self.layout {
                Layout::Lvm => " --type=lvm",
                Layout::Plain => " --type=plain",
                Layout::Thin => " --type=thinp",
            };
            if !self.home {
                autopart += " --nohome";
            }
        }
        if generation >= 8 && !self.swap {
            autopart += " --noswap";
        }
        let _ = writeln!(text, "cat <<'PXEGO_STORAGE'\n{autopart}{encryption}\nPXEGO_STORAGE");
        text
    }
}

impl Term {
    /// Shell that sets `why` where the disk is not so.
    fn test(&self) -> String {
        let unless = |test: String, why: &str| format!("[ -n \"$why\" ] || {test} || why={}", shell(why));
        match self {
            Self::Blank => "[ -n \"$why\" ] || blank".to_owned(),
            Self::Name(name) => unless(format!("[ \"$dev\" = {} ]", shell(name)), &format!("is not {name}")),
            Self::Id(id) => unless(format!("by_id {}", shell(&wild(id))), &format!("is not {id}")),
            Self::AtLeast(bytes) => {
                let mib = bytes >> 20;
                unless(format!("[ $mib -ge {mib} ]"), &format!("is smaller than {mib} MiB"))
            }
            Self::AtMost(bytes) => {
                let mib = bytes.div_ceil(1 << 20);
                unless(format!("[ $mib -le {mib} ]"), &format!("is larger than {mib} MiB"))
            }
            Self::Model(model) => fits(&["device/model"], model, "is of another model"),
            Self::Serial(serial) => {
                let by_udev = format!("by_id {}", shell(&format!("*{}", wild(serial))));
                let test = fits(
                    &["serial", "device/serial", "device/wwid", "device/vpd_pg80"],
                    serial,
                    "has another serial number",
                );
                test.replace("; done; }", &format!("; done; {by_udev}; }}"))
            }
            Self::Transport(bus) => unless(format!("[ $transport = {bus} ]"), &format!("is not on {bus}")),
        }
    }
}

/// A pattern that is kept in a variable, where nothing quotes: letters that udev never writes fit any.
fn wild(text: &str) -> String {
    text.replace(['[', ']', '\\'], "?")
}

/// Shell that sets `why` unless one of these files of the disk has what fits the pattern.
fn fits(files: &[&str], pattern: &str, why: &str) -> String {
    let files: Vec<String> = files.iter().map(|file| format!("\"$path/{file}\"")).collect();
    format!(
        "[ -n \"$why\" ] || {{ why={}; for file in {}; do case $(fact \"$file\") in {}) why=; break ;; esac; done; }}",
        shell(why),
        files.join(" "),
        shell_pattern(pattern)
    )
}

impl Pick {
    /// Shell that takes the disk, and shell that judges what was taken.
    fn code(self) -> (&'static str, &'static str) {
        match self {
            Self::All => ("    [ -n \"$first\" ] || first=$dev\n    chosen=${chosen:+$chosen,}$dev\n", ""),
            Self::Only => (
                "    first=$dev\n    chosen=$dev\n",
                "[ $count -eq 1 ] || stop 'several disks fit; add smallest or largest to the rule'\n",
            ),
            Self::Smallest => (
                "    if [ -z \"$best\" ] || [ $mib -lt \"$best\" ]; then\n        best=$mib\n        first=$dev\n        \
                 chosen=$dev\n    fi\n",
                "",
            ),
            Self::Largest => (
                "    if [ -z \"$best\" ] || [ $mib -gt \"$best\" ]; then\n        best=$mib\n        first=$dev\n        \
                 chosen=$dev\n    fi\n",
                "",
            ),
        }
    }
}

/// A kickstart whose script reports a refusal to `url`; any other is left as it is.
///
/// The URL is one of ours: it has no white space and no quote.
pub fn with_report_url(text: &[u8], url: &str) -> Vec<u8> {
    let line = REPORT_LINE.as_bytes();
    let is_safe = url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_?=&%[]".contains(&byte));
    let place = text.windows(line.len()).position(|bytes| bytes == line);
    match place {
        Some(at) if is_safe => {
            let url = format!("pxego_report='{url}'");
            [&text[..at], url.as_bytes(), &text[at + line.len()..]].concat()
        }
        _ => text.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        for text in [
            "blank",
            "all",
            "smallest",
            "nvme0n1",
            "/dev/sda",
            "cciss/c0d0",
            "by-id/ata-X_1",
            "/dev/disk/by-path/pci-0000:00",
            "size>=100G,size<=2T,largest",
            "model=Samsung SSD*,transport=nvme",
            "serial=S4X'5",
            "blank,largest",
        ] {
            let wipe: Result<Wipe, String> = text.parse();
            assert_eq!(wipe.map(|wipe| wipe.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            ",",
            "biggest",
            "size>=",
            "size>=100",
            "size>=0G",
            "size>=99999999999999999999G",
            "size>100G",
            "model=",
            "transport=usb",
            "colour=blue",
            "sda;reboot",
            "a\nb",
            "$(reboot)",
            "../sda",
        ] {
            let error = text.parse::<Wipe>().expect_err(text);
            assert!(!error.is_empty());
        }
    }

    #[test]
    fn one_disk_by_its_name_is_a_device() {
        for (text, device) in [
            ("nvme0n1", Some("/dev/nvme0n1")),
            ("/dev/sda", Some("/dev/sda")),
            ("by-id/ata-X", Some("/dev/disk/by-id/ata-X")),
            ("/dev/disk/by-path/pci-1", Some("/dev/disk/by-path/pci-1")),
            ("blank", None),
            ("all", None),
            ("sda,smallest", None),
            ("sda,size>=1G", None),
            ("size>=1G", None),
        ] {
            let wipe: Wipe = text.parse().expect("a rule");
            assert_eq!(wipe.device().as_deref(), device, "{text}");
        }
    }

    #[test]
    fn sizes_are_those_on_the_label() {
        assert_eq!(parse_size("500G"), Ok(500_000_000_000));
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert!(parse_size("x").is_err() && parse_size("").is_err());
    }

    #[test]
    fn a_report_url_is_put_in_once() {
        let text = format!("%pre\n{REPORT_LINE}\n%end\n");
        let with = with_report_url(text.as_bytes(), "http://10.0.0.1/r/1/failed");
        assert_eq!(String::from_utf8_lossy(&with), "%pre\npxego_report='http://10.0.0.1/r/1/failed'\n%end\n");
        assert_eq!(with_report_url(text.as_bytes(), "x'y"), text.as_bytes());
        assert_eq!(with_report_url(b"text\n", "http://a/"), b"text\n");
    }
}
