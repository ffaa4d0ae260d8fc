//! Generated kickstarts: clean for pykickstart and for our own checker, whatever the profile and the release.
#![allow(clippy::disallowed_methods)]

#[path = "common/pykickstart.rs"]
mod pykickstart;

use std::process::Command;
use std::str::FromStr;
use std::sync::OnceLock;

use pxego::answer::check::{Against, check};
use pxego::answer::finding::Severity;
use pxego::answer::profile::{Disk, Firewall, Mode, Password, Profile, Selinux, User};
use pxego::answer::storage::{INCLUDE, Layout};
use pxego::answer::write::{Sources, settle, write};
use pxego::answer::{Kickstart, Release, hash};
use pykickstart::judge;

/// xorshift64* (Vigna).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Text that people and attackers write, where any text on one line may stand.
    fn text(&mut self) -> String {
        let parts = [
            "a",
            "two words",
            "\"",
            "'",
            "\\",
            "$(reboot)",
            "`x`",
            "#",
            "%end",
            "%packages",
            "; rm -rf /",
            "--all",
            "Jürgen",
            "${HOME}",
            "PXEGO_STORAGE",
            "@TERMS@",
            "日本",
            "=",
            "\t",
        ];
        let text: String = (0..=self.below(4)).map(|_| self.one_of(&parts[..18])).collect();
        text
    }
}

const HASH: &str =
    "$6$0123456789abcdef$mT0tbSyVmIp4kHL2FWQxX8ZrbFB3D2rlSpRMCPcjsuQg9xWJ3yTVc0p8qRyVmBqE9G3W4ZhLQq1m3pZ9x";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ";

/// A profile that any release from `generation` on can have.
fn profile(random: &mut Random, generation: u32) -> Profile {
    let mut toml = String::new();
    let mut line = |text: String| {
        toml += &text;
        toml.push('\n');
    };
    let quoted = |text: &str| serde_json::to_string(text).expect("any text is JSON, and TOML");
    if random.chance(2) {
        line(format!("lang = {}", quoted(random.one_of(&["de_AT.UTF-8", "en_US", "ja_JP.UTF-8"]))));
        line(format!("keyboard = {}", quoted(random.one_of(&["de", "us-intl", "fr-latin9"]))));
        line(format!("timezone = {}", quoted(random.one_of(&["Europe/Vienna", "Etc/GMT+5"]))));
    }
    if generation >= 7 && random.chance(2) {
        line("ntp = [\"a.example.org\", \"192.0.2.1\"]".into());
    }
    if random.chance(2) {
        line("hostname = \"node1.example.org\"".into());
    }
    line(format!("root = {}", quoted(random.one_of(&[HASH, "locked", "ask", "random"]))));
    if random.chance(3) {
        let comment = random.text();
        line(format!("ssh-keys = [{}]", quoted(&format!("{KEY} {comment}"))));
    }
    line(format!("selinux = {}", quoted(random.one_of(&["enforcing", "permissive", "disabled"]))));
    if random.chance(2) {
        let text = random.text().replace('\\', "/");
        line(format!("append = {}", quoted(&text)));
    }
    line(format!("mode = {}", quoted(random.one_of(&["text", "graphical", "remote"]))));
    line(format!("end = {}", quoted(random.one_of(&["reboot", "poweroff", "wait"]))));
    match random.below(if generation >= 6 { 5 } else { 3 }) {
        0 => {}
        1 => line("[[network]]\ndevice = \"eth0\"\naddress = \"dhcp\"\nmtu = 9000".into()),
        2 => line(
            "[[network]]\ndevice = \"52:54:00:12:34:56\"\naddress = \"10.0.0.5/24\"\ngateway = \"10.0.0.1\"\n\
             dns = [\"10.0.0.1\", \"10.0.0.2\"]\n[[network]]\ndevice = \"eth1\"\naddress = \"none\""
                .into(),
        ),
        3 => line("[[network]]\nbond = [\"eth0\", \"eth1\"]\naddress = \"10.0.0.5/16\"".into()),
        _ => line("[[network]]\ndevice = \"eth0\"\nvlan = 5\n[[network]]\nbond = [\"eth1\"]\nbond-options = \"mode=1\"".into()),
    }
    for name in ["admin", "ann.b"] {
        if random.chance(2) {
            line(format!("[[user]]\nname = \"{name}\"\nadmin = {}", random.chance(2)));
            line(format!("password = {}", quoted(random.one_of(&[HASH, "locked", "random"]))));
            line(format!("comment = {}", quoted(&random.text())));
            let keys: Vec<String> =
                (0..random.below(3)).map(|_| quoted(&format!("{KEY} {}", random.text()))).collect();
            line(format!("ssh-keys = [{}]", keys.join(", ")));
        }
    }
    if random.chance(2) {
        line(format!("[firewall]\nenabled = {}\nservices = [\"ssh\", \"http\"]", !random.chance(3)));
        line("ports = [\"8080:tcp\", \"53:udp\"]".into());
    }
    line("[packages]".into());
    if generation >= 7 && random.chance(2) {
        line("environment = \"minimal-environment\"".into());
    }
    if random.chance(2) {
        line("groups = [\"core\", \"Development Tools\"]\ninstall = [\"tmux\", \"kernel*\"]\nexclude = [\"plymouth*\"]".into());
        line(format!("weak-deps = {}", random.chance(2)));
    }
    if random.chance(2) {
        line("[services]\nenabled = [\"sshd\", \"getty@tty1\"]\ndisabled = [\"kdump\"]".into());
    }
    if random.chance(2) {
        line("[[repo]]\nname = \"extras\"\nurl = \"http://mirror.example.org/extras/?a=b&c\"".into());
    }
    if random.chance(2) {
        line(format!(
            "[[script]]\nbody = {}",
            quoted(&format!("echo {}\n{}\n", random.text(), "echo %done"))
        ));
        line("[[script]]\nwhen = \"pre\"\ninterpreter = \"/bin/bash\"\nbody = \"true\"".into());
    }
    line("[disk]".into());
    if random.chance(2) {
        let wipes =
            ["blank", "all", "smallest", "size>=100G,model=WD 'X*", "sda", "serial=$(reboot),largest"];
        line(format!("wipe = {}", quoted(random.one_of(&wipes))));
    }
    let layouts = if generation >= 7 { &["lvm", "plain", "thin"][..] } else { &["lvm", "plain"] };
    line(format!("layout = {}", quoted(random.one_of(layouts))));
    line(format!("home = {}\nswap = {}", random.chance(2), random.chance(2)));
    if random.chance(3) {
        let text = random.text();
        line(format!("encrypt = {}", quoted(if random.chance(3) { "" } else { &text })));
    }
    Profile::from_toml(toml.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{toml}"))
}

/// Letters that any text may have, as far as its type lets it.
const LETTERS: [&str; 42] = [
    "a", "b", "c", "Z", "0", "9", "é", "日", " ", "  ", "\t", "\\", "\"", "'", "`", "$", "$(", "{{", "}}",
    "#", "%", "%end", "&", ";", "|", "<", ">", "(", ")", "[", "]", "*", "?", "~", "^", "!", "--", "_", ".",
    ":", "/", "@",
];

/// Any value of a type, made of such letters: the first of many tries that the type takes.
fn odd<T: FromStr>(random: &mut Random, start: &str) -> T {
    for _ in 0..20_000 {
        let text: String = (0..=random.below(4)).map(|_| random.one_of(&LETTERS)).collect();
        if let Ok(value) = format!("{start}{text}").parse() {
            return value;
        }
    }
    panic!("no text is a {}", std::any::type_name::<T>());
}

/// The same profile with texts that its types take and hardly anybody writes.
fn made_odd(mut profile: Profile, random: &mut Random, generation: u32) -> Profile {
    profile.lang = odd(random, "");
    profile.keyboard = odd(random, "");
    profile.timezone = odd(random, "");
    profile.hostname = Some(odd(random, ""));
    profile.append = Some(odd(random, ""));
    profile.ssh_keys = (0..random.below(3)).map(|_| odd(random, &format!("{KEY} "))).collect();
    for (user, start) in profile.users.iter_mut().zip(["a", "b"]) {
        user.name = odd(random, start);
        user.groups = (0..random.below(3)).map(|_| odd(random, "")).collect();
        user.comment = Some(odd(random, ""));
        user.ssh_keys.iter_mut().for_each(|key| *key = odd(random, &format!("{KEY} ")));
    }
    if let Some(network) = profile.network.first_mut() {
        network.device = Some(odd(random, "x"));
        network.bond.iter_mut().for_each(|name| *name = odd(random, ""));
        if !network.bond.is_empty() {
            network.bond_options = Some(odd(random, ""));
        }
    }
    if generation >= 6 {
        profile.firewall.services = (0..random.below(3)).map(|_| odd(random, "")).collect();
    }
    if generation >= 7 {
        profile.ntp = (0..random.below(3)).map(|_| odd(random, "")).collect();
        profile.packages.environment = random.chance(2).then(|| odd(random, ""));
    }
    let packages = &mut profile.packages;
    packages.groups = (0..random.below(3)).map(|_| odd(random, "")).collect();
    packages.install = (0..random.below(3)).map(|_| odd(random, "")).collect();
    packages.exclude = (0..random.below(3)).map(|_| odd(random, "")).collect();
    profile.services.enabled = (0..random.below(3)).map(|_| odd(random, "")).collect();
    profile.services.disabled = (0..random.below(3)).map(|_| odd(random, "")).collect();
    for repo in &mut profile.repos {
        (repo.name, repo.url) = (odd(random, ""), odd(random, "http://"));
    }
    for script in &mut profile.scripts {
        (script.interpreter, script.body) = (Some(odd(random, "/")), odd(random, ""));
    }
    if let Some(passphrase) = profile.disk.encrypt.as_mut().filter(|text| !text.as_str().is_empty()) {
        *passphrase = odd(random, "");
    }
    profile
}

fn settled(mut profile: Profile) -> Profile {
    // Made once: it is slow on purpose.
    static MADE: OnceLock<String> = OnceLock::new();
    let made = MADE.get_or_init(|| hash::sha512("secret", [7; 12]));
    settle(&mut profile, |_, _| Ok::<_, String>(made.clone())).expect("nothing is asked");
    profile
}

/// What the script that chooses the disk would leave behind for `sda`: the file that the kickstart includes.
fn chosen(text: &str) -> String {
    let script = text.split("\n} >$out").next().expect("the script");
    let commands = script.rsplit("\n{\n").next().expect("the commands");
    let script = format!("chosen=sda\nfirst=sda\n{commands}\n");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{script}\n{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What is written for each release, and what the machine makes of it.
fn files(count: usize) -> Vec<(Release, Vec<u8>)> {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let sources = Sources::of_tree("http://192.168.100.1:8080/t/el9", &["BaseOS".into(), "AppStream".into()]);
    let mut files = Vec::new();
    for release in Release::ALL {
        for number in 0..count {
            let mut profile = settled(profile(&mut random, release.generation()));
            if number % 4 >= 2 {
                profile = made_odd(profile, &mut random, release.generation());
            }
            let sources = if number % 2 == 0 { sources.clone() } else { Sources::default() };
            let text =
                write(&profile, release, &sources).unwrap_or_else(|error| panic!("{release}: {error}"));
            if profile.disk.wipe.is_some() {
                // The same with the storage commands where they will be.
                let whole = text.replacen(&format!("%include {INCLUDE}\n"), &chosen(&text), 1);
                let report = check(text.as_bytes(), Against { release, repository: None, served: None });
                assert!(!report.has_errors(), "{release}: {:#?}\n{text}", report.findings);
                files.push((release, whole.into_bytes()));
            } else {
                for command in ["clearpart", "zerombr", "autopart", "part ", "ignoredisk", "volgroup"] {
                    assert!(!text.lines().any(|line| line.starts_with(command)), "{command} without a rule");
                }
                files.push((release, text.into_bytes()));
            }
        }
    }
    files
}

#[test]
fn any_profile_is_clean_for_every_release() {
    let files = files(200);
    for (release, text) in &files {
        let report = check(text, Against { release: *release, repository: None, served: None });
        let stops: Vec<String> = report
            .findings
            .iter()
            .filter(|finding| finding.severity != Severity::Advice)
            .map(ToString::to_string)
            .collect();
        assert!(stops.is_empty(), "{release}: {stops:#?}\n{}", String::from_utf8_lossy(text));
        assert!(Kickstart::parse(text.clone()).is_ok());
    }
    let judgements = judge(&files);
    for ((release, text), judgement) in files.iter().zip(&judgements) {
        let text = String::from_utf8_lossy(text);
        assert_eq!(judgement.verdict, "clean", "{release}: {judgement:#?}\n{text}");
    }
    eprintln!("{} files", files.len());
}

/// Unattended, and nothing left to ask or to advise: what `--wipe blank` alone gives.
#[test]
fn the_default_with_a_rule_asks_nothing() {
    for release in Release::ALL {
        let disk = Disk { wipe: Some("blank".parse().expect("a rule")), ..Disk::default() };
        let profile = settled(Profile { disk, ..Profile::default() });
        let text = write(&profile, release, &Sources::default()).expect("it is written");
        let whole = text.replacen(&format!("%include {INCLUDE}\n"), &chosen(&text), 1);
        let report = check(whole.as_bytes(), Against { release, repository: None, served: None });
        assert!(report.findings.is_empty(), "{release}: {:#?}", report.findings);
        let quiet = if release.generation() <= 7 { "cmdline\n" } else { "text --non-interactive\n" };
        assert!(text.contains(quiet), "{release}");
        assert_eq!(text.contains("%end"), release.generation() > 5, "{release}");
    }
}

/// What a release does not have is refused, with what to do.
#[test]
fn what_a_release_does_not_have_is_refused() {
    let of = |text: &str, release: Release| {
        let profile = settled(Profile::from_toml(text.as_bytes()).expect("it is read"));
        write(&profile, release, &Sources::default()).map_err(|error| error.to_string())
    };
    let (el5, el6, el9) = (Release::Enterprise(5), Release::Enterprise(6), Release::Enterprise(9));
    for (text, release, said) in [
        ("[[network]]\nbond = ['eth0']", el5, "EL5 has no bonds"),
        ("[[network]]\ndevice = 'eth0'\nvlan = 5", el5, "EL5 has no VLANs"),
        ("[[network]]\ndevice = 'eth0'\nvlan = 4095", el9, "4095"),
        ("[[network]]\n[[network]]", el9, "twice"),
        ("[[user]]\nname = 'ann'\n[[user]]\nname = 'ann'", el9, "the user ann is there twice"),
        ("[[user]]\nname = 'root'", el9, "root is a user"),
        ("ntp = ['a']", el6, "EL6 has no command for time servers"),
        ("[packages]\nenvironment = 'a'", el6, "EL6 has no environments"),
        ("[disk]\nlayout = 'thin'", el6, "EL6 has no thin volumes"),
        ("[firewall]\nservices = ['cockpit']", el5, "EL5 has no firewall service cockpit"),
    ] {
        let error = of(text, release).expect_err(text);
        assert!(error.contains(said), "{error}");
    }
}

/// crypt(3) makes the same hash of the same password: whoever is told the password can log in.
#[test]
fn crypt_accepts_our_hashes() {
    for (password, salt) in
        [("x", [0; 12]), ("correct horse battery staple", [0xff; 12]), ("pässwörd '\"\\", [7; 12])]
    {
        let hash = hash::sha512(password, salt);
        let script = "my ($p, $h) = @ARGV; print crypt($p, $h)";
        let output = Command::new("perl").args(["-e", script, password, &hash]).output().expect("perl runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), hash);
    }
}

#[test]
fn a_profile_has_public_defaults() {
    let profile = Profile::default();
    assert_eq!(
        (profile.root, profile.selinux, profile.mode),
        (Password::Random, Selinux::Enforcing, Mode::Text)
    );
    assert_eq!((profile.firewall, profile.disk.layout), (Firewall::default(), Layout::Lvm));
    assert_eq!(profile.users, Vec::<User>::new());
}
