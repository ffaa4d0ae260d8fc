//! A profile in the words of a release.
//!
//! What each release knows is in `rules.tsv`; what must be there so that nothing is asked is in the installers'
//! documentation. Every file that comes out is clean for our own checker and for pykickstart; `tests/kickstart_write.rs`
//! asks both.

mod accounts;
mod network;

use std::fmt;
use std::fmt::Write as _;

use super::Release;
use super::profile::{End, Mode, Password, Profile, Selinux, When};
use super::quote::{kickstart, shell};
use super::storage::{INCLUDE, Storage};

/// Where packages come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// URL of the install tree, without a slash at its end. Without one the server puts its own in.
    pub tree: Option<String>,
    /// Repositories of the tree beside its root, by name and URL.
    pub repos: Vec<(String, String)>,
}

impl Sources {
    /// Those of an image whose tree is at `tree` and which has repositories at these paths.
    ///
    /// The installer finds BaseOS by itself when it is given the tree; AppStream is named for those that are given BaseOS
    /// alone, and is dropped by others as one that is there already (anaconda, `payload/dnf`).
    pub fn of_tree(tree: &str, repositories: &[String]) -> Self {
        let repos = repositories.iter().filter(|path| *path == "AppStream");
        Self {
            tree: Some(tree.to_owned()),
            repos: repos.map(|path| (path.clone(), format!("{tree}/{path}"))).collect(),
        }
    }
}

/// A profile wants what the release does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(String);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}

/// What one has that another has not.
fn lacks<T>(release: Release, what: &str, instead: &str) -> Result<T, WriteError> {
    Err(WriteError(format!("{release} has no {what}; {instead}")))
}

/// A profile for one release, on its way into text.
struct Writer<'a> {
    profile: &'a Profile,
    release: Release,
    generation: u32,
    text: String,
    /// Lines of a last script in the installed system, for what the release has no command for.
    last: String,
}

/// Writes `profile` for `release`. Passwords that are to be made up or typed in have been: see [`settle`].
///
/// # Errors
/// When the profile wants what the release does not have.
pub fn write(profile: &Profile, release: Release, sources: &Sources) -> Result<String, WriteError> {
    let generation = release.generation();
    let mut writer = Writer { profile, release, generation, text: String::new(), last: String::new() };
    writer.line(&format!("# Kickstart for {release}, written by pxego."));
    writer.mode();
    writer.sources(sources);
    writer.place()?;
    writer.network()?;
    writer.accounts()?;
    writer.system()?;
    writer.disk_commands()?;
    writer.end();
    writer.packages()?;
    writer.scripts();
    Ok(writer.text)
}

/// Writes a kickstart that says where the packages are, and nothing else: the installer asks, as it does without one, but
/// reports can be put into it.
pub fn write_asking(release: Release, sources: &Sources) -> String {
    let generation = release.generation();
    let profile = Profile::default();
    let mut writer =
        Writer { profile: &profile, release, generation, text: String::new(), last: String::new() };
    writer.line(&format!("# Kickstart for {release}, written by pxego: the installer asks for everything but the packages' place."));
    writer.sources(sources);
    writer.text
}

/// Puts hashes where passwords are to be made up or typed in. `hash` is told whose password it is.
///
/// # Errors
/// What `hash` says.
pub fn settle<E>(
    profile: &mut Profile,
    mut hash: impl FnMut(&str, &Password) -> Result<String, E>,
) -> Result<(), E> {
    let users = profile.users.iter_mut().map(|user| (user.name.to_string(), &mut user.password));
    for (who, password) in std::iter::once(("root".to_owned(), &mut profile.root)).chain(users) {
        if matches!(password, Password::Random | Password::Prompt) {
            *password = Password::Hash(hash(&who, password)?);
        }
    }
    Ok(())
}

/// It has the form of a hash, and is none of any password.
const NO_HASH: &str = "$6$none$none";

/// The same profile with passwords that nobody has: to see whether it can be written before any is made.
pub fn without_passwords(profile: &Profile) -> Profile {
    let mut profile = profile.clone();
    let Ok(()) = settle(&mut profile, |_, _| Ok::<_, std::convert::Infallible>(NO_HASH.to_owned()));
    profile
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Whether nothing is left to ask: a question would then end the install instead of waiting for nobody.
    fn is_unattended(&self) -> bool {
        let disk = &self.profile.disk;
        let asks_passphrase = disk.encrypt.as_ref().is_some_and(|text| text.as_str().is_empty());
        let asks_password = self.profile.root == Password::Ask && self.profile.users.is_empty();
        disk.wipe.is_some() && !asks_passphrase && !asks_password
    }

    fn mode(&mut self) {
        if self.generation <= 6 {
            self.line("install");
        }
        match (self.profile.mode, self.is_unattended(), self.generation) {
            (Mode::Text, true, ..=7) => self.line("cmdline"),
            (Mode::Text, true, _) => self.line("text --non-interactive"),
            (Mode::Text, false, _) => self.line("text"),
            (Mode::Graphical, _, _) => self.line("graphical"),
            (Mode::Remote, _, _) => {
                self.line("graphical");
                let has_rdp = self.release == Release::Enterprise(10)
                    || matches!(self.release, Release::Enterprise(11..) | Release::Fedora(43..));
                self.line(if has_rdp { "rdp" } else { "vnc" });
            }
        }
        if self.generation == 5 {
            self.line("key --skip");
        }
        if self.generation == 6 {
            self.line("unsupported_hardware");
        }
        if self.generation >= 7 {
            self.line("eula --agreed");
        }
        self.line("firstboot --disabled");
        self.line("skipx");
    }

    fn sources(&mut self, sources: &Sources) {
        if let Some(tree) = &sources.tree {
            self.line(&format!("url --url={}", kickstart(tree)));
        }
        let own = self.profile.repos.iter().map(|repo| (repo.name.to_string(), repo.url.to_string()));
        for (name, url) in sources.repos.iter().cloned().chain(own) {
            self.line(&format!("repo --name={} --baseurl={}", kickstart(&name), kickstart(&url)));
        }
    }

    fn place(&mut self) -> Result<(), WriteError> {
        let profile = self.profile;
        self.line(&format!("lang {}", kickstart(profile.lang.as_str())));
        let keyboard = kickstart(profile.keyboard.as_str());
        self.line(&match self.generation {
            ..=6 => format!("keyboard {keyboard}"),
            _ => format!("keyboard --vckeymap={keyboard}"),
        });
        let zone = kickstart(profile.timezone.as_str());
        let servers: Vec<&str> = profile.ntp.iter().map(|server| server.as_str()).collect();
        match self.generation {
            ..=6 if !servers.is_empty() => {
                return lacks(self.release, "command for time servers", "leave ntp out, or write a script");
            }
            7..=8 if !servers.is_empty() => {
                self.line(&format!("timezone --utc --ntpservers={} {zone}", servers.join(",")));
            }
            _ => {
                self.line(&format!("timezone --utc {zone}"));
                for server in servers {
                    self.line(&format!("timesource --ntp-server={server}"));
                }
            }
        }
        Ok(())
    }

    fn system(&mut self) -> Result<(), WriteError> {
        let profile = self.profile;
        let selinux = match profile.selinux {
            Selinux::Enforcing => "--enforcing",
            Selinux::Permissive => "--permissive",
            Selinux::Disabled => "--disabled",
        };
        self.line(&format!("selinux {selinux}"));
        self.firewall()?;
        let names = |names: &[super::profile::Name]| -> Vec<String> {
            names.iter().map(ToString::to_string).collect()
        };
        let services = &profile.services;
        let mut line = "services".to_owned();
        for (option, names) in
            [("enabled", names(&services.enabled)), ("disabled", names(&services.disabled))]
        {
            if !names.is_empty() {
                let _ = write!(line, " --{option}={}", kickstart(&names.join(",")));
            }
        }
        if line != "services" {
            self.line(&line);
        }
        Ok(())
    }

    fn firewall(&mut self) -> Result<(), WriteError> {
        let firewall = &self.profile.firewall;
        if !firewall.enabled {
            self.line("firewall --disabled");
            return Ok(());
        }
        let mut ports: Vec<String> = firewall.ports.iter().map(ToString::to_string).collect();
        let mut services = Vec::new();
        for service in &firewall.services {
            if self.generation > 5 {
                services.push(service.to_string());
                continue;
            }
            match KNOWN_PORTS.iter().find(|(name, _)| *name == service.as_str()) {
                Some((_, port)) => ports.insert(0, (*port).to_owned()),
                None => {
                    let what = format!("firewall service {service}");
                    return lacks(self.release, &what, "write its port, as 8080:tcp");
                }
            }
        }
        let mut line = "firewall --enabled".to_owned();
        if !services.is_empty() {
            let _ = write!(line, " --service={}", kickstart(&services.join(",")));
        }
        if !ports.is_empty() {
            let _ = write!(line, " --port={}", ports.join(","));
        }
        self.line(&line);
        Ok(())
    }

    fn disk_commands(&mut self) -> Result<(), WriteError> {
        let disk = &self.profile.disk;
        if disk.layout == super::storage::Layout::Thin && self.generation <= 6 {
            return lacks(self.release, "thin volumes", "write layout = \"lvm\"");
        }
        if disk.wipe.is_some() {
            self.line(&format!("%include {INCLUDE}"));
        } else if let Some(append) = &self.profile.append {
            self.line(&format!("bootloader --append={}", kickstart(append.as_str())));
        }
        Ok(())
    }

    fn end(&mut self) {
        match self.profile.end {
            End::Reboot => self.line("reboot"),
            End::Poweroff => self.line("poweroff"),
            End::Wait => {}
        }
    }

    fn packages(&mut self) -> Result<(), WriteError> {
        let packages = &self.profile.packages;
        let mut header = "%packages".to_owned();
        if packages.weak_deps == Some(false) {
            header += match self.generation {
                ..=7 => "",
                8 => " --excludeWeakdeps",
                _ => " --exclude-weakdeps",
            };
        }
        self.line(&header);
        if let Some(environment) = &packages.environment {
            if self.generation <= 6 {
                return lacks(self.release, "environments", "write groups");
            }
            self.line(&format!("@^{environment}"));
        }
        if packages.groups.is_empty() && packages.environment.is_none() {
            self.line("@core");
        }
        for group in &packages.groups {
            self.line(&format!("@{group}"));
        }
        for package in &packages.install {
            self.line(package.as_str());
        }
        for package in &packages.exclude {
            self.line(&format!("-{package}"));
        }
        self.close();
        Ok(())
    }

    /// Ends a section. EL5 has no `%end`: a section ends where the next one begins.
    fn close(&mut self) {
        if self.generation > 5 {
            self.line("%end");
        }
    }

    fn section(&mut self, header: &str, body: &str) {
        self.line("");
        self.line(header);
        self.text.push_str(body);
        self.close();
    }

    /// Scripts come last: on EL5 what follows one belongs to it.
    fn scripts(&mut self) {
        let (profile, disk) = (self.profile, &self.profile.disk);
        if let Some(wipe) = &disk.wipe {
            let storage = Storage {
                wipe,
                layout: disk.layout,
                home: disk.home,
                swap: disk.swap.unwrap_or(true),
                passphrase: disk.encrypt.as_ref().map(|text| text.as_str()),
                arguments: profile.append.as_ref().map_or("", |append| append.as_str()),
            };
            let script = storage.script(self.release);
            self.section("%pre", &script);
        }
        if !self.last.is_empty() {
            let last = std::mem::take(&mut self.last);
            self.section("%post", &last);
        }
        for script in &profile.scripts {
            let mut header = match script.when {
                When::Pre => "%pre",
                When::Post => "%post",
                When::PostOutside => "%post --nochroot",
            }
            .to_owned();
            if let Some(interpreter) = &script.interpreter {
                let _ = write!(header, " --interpreter={}", kickstart(interpreter.as_str()));
            }
            self.section(&header, script.body.as_str());
        }
    }

    /// Shell in the installed system that lets these keys log in as `user`.
    fn allow_keys(&mut self, user: &str, keys: &[super::profile::SshKey]) {
        let user = shell(user);
        let _ = writeln!(self.last, "home=$(getent passwd {user} | cut -d: -f6)");
        self.last.push_str(
            "mkdir -p -m 700 \"$home/.ssh\"\ncat >>\"$home/.ssh/authorized_keys\" <<'PXEGO_KEYS'\n",
        );
        for key in keys {
            let _ = writeln!(self.last, "{key}");
        }
        let _ = writeln!(
            self.last,
            "PXEGO_KEYS\nchmod 600 \"$home/.ssh/authorized_keys\"\nchown -R {user}: \"$home/.ssh\"\n\
             restorecon -R \"$home/.ssh\" 2>/dev/null || true"
        );
    }
}

/// Services that EL5, which takes ports only, is told about by their ports (`/etc/services`).
const KNOWN_PORTS: [(&str, &str); 9] = [
    ("ssh", "22:tcp"),
    ("http", "80:tcp"),
    ("https", "443:tcp"),
    ("ftp", "21:tcp"),
    ("smtp", "25:tcp"),
    ("dns", "53:udp"),
    ("tftp", "69:udp"),
    ("nfs", "2049:tcp"),
    ("telnet", "23:tcp"),
];
