//! What an installed machine is to be, in the words of no release: one type for flags, for a file, for a form.
//!
//! Every value is checked when it is read, so that a fault is told with its place and nothing later can be wrong about
//! it; [`super::write`] puts it into the words of a release.

mod reading;
mod text;

use std::net::Ipv4Addr;
use std::str::FromStr;

use super::storage::{Layout, Wipe};
use text::letters;
pub use text::{Arguments, Body, Group, HostName, Login, Name, Package, Port, SshKey, Text, Url, Word};

/// A password: its hash, or where one comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// Made up, and shown once.
    Random,
    /// Typed in here.
    Prompt,
    /// The installer asks, or there is none.
    Ask,
    /// Nobody can log in with one.
    Locked,
    /// A hash of crypt(3): SHA-512 (`$6$`), which every release reads, SHA-256 (`$5$`), or yescrypt (`$y$`) from EL9 and
    /// Fedora 30 on. Those that are made here are SHA-512.
    Hash(String),
}

impl TryFrom<String> for Password {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(match text.as_str() {
            "random" => Self::Random,
            "prompt" => Self::Prompt,
            "ask" => Self::Ask,
            "locked" => Self::Locked,
            hash if ["$6$", "$5$", "$y$"].iter().any(|scheme| hash.starts_with(scheme)) => {
                letters(&hash.replace('$', ""), "./=,")
                    .map_err(|_| "the hash has letters that no hash has".to_owned())?;
                Self::Hash(text)
            }
            _ => {
                return Err(
                    "a password is not written in the open; write its hash (mkpasswd -m sha512crypt), \
                            random, prompt, ask or locked"
                        .to_owned(),
                );
            }
        })
    }
}

impl FromStr for Password {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub address: Ipv4Addr,
    /// Bits of the prefix, 1 to 31.
    pub prefix: u8,
}

impl Address {
    /// The netmask.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0))
    }
}

/// How an interface gets its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server.
    #[default]
    Dhcp,
    /// Not at all (IPv4).
    None,
    /// Always this one.
    Static(Address),
}

impl TryFrom<String> for Addressing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no address; write dhcp, none, or one as 10.0.0.5/24");
        match text.as_str() {
            "dhcp" => return Ok(Self::Dhcp),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address = address.parse().map_err(|_| wrong())?;
        let prefix = prefix.parse().ok().filter(|prefix| (1..=31).contains(prefix)).ok_or_else(wrong)?;
        Ok(Self::Static(Address { address, prefix }))
    }
}

impl FromStr for Addressing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::try_from(text.to_owned())
    }
}

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The interface: its name, its MAC address, `link` for the first with a cable, `bootif` for the one that was booted
    /// from. Left out: `link`. For a bond the bond's own name.
    pub device: Option<Name>,
    /// `dhcp` (the default), `none`, or an address with its prefix length.
    pub address: Addressing,
    /// The router; only with an address.
    pub gateway: Option<Ipv4Addr>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// The interfaces of a bond. From EL6 on.
    pub bond: Vec<Name>,
    /// How the bond works, such as `mode=802.3ad,miimon=100`.
    pub bond_options: Option<Word>,
    /// The number of a VLAN, 1 to 4094. From EL6 on.
    pub vlan: Option<u16>,
    /// The largest packet, in bytes.
    pub mtu: Option<u16>,
}

/// Somebody who can log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name to log in with; root has its own place in the profile.
    pub name: Login,
    /// The hash of the password, `random`, `prompt`, or `locked` (the default): only with a key.
    pub password: Password,
    /// Whether this user may become root (the group `wheel`).
    pub admin: bool,
    /// More groups.
    pub groups: Vec<Login>,
    /// The person's name. From EL6 on.
    pub comment: Option<Text>,
    /// Public keys that may log in.
    pub ssh_keys: Vec<SshKey>,
}

/// What SELinux does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selinux {
    /// It forbids.
    #[default]
    Enforcing,
    /// It says what it would forbid.
    Permissive,
    /// Nothing.
    Disabled,
}

/// What comes through the firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Whether there is one.
    pub enabled: bool,
    /// Services by firewalld's names, such as `ssh`. EL5 takes a few well-known ones.
    pub services: Vec<Name>,
    /// Ports such as `8080:tcp`.
    pub ports: Vec<Port>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self { enabled: true, services: vec![Name("ssh".to_owned())], ports: Vec::new() }
    }
}

/// What is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// An environment by its id, such as `minimal-environment`. From EL7 on.
    pub environment: Option<Group>,
    /// Groups. Nothing at all means `core`.
    pub groups: Vec<Group>,
    /// Packages.
    pub install: Vec<Package>,
    /// Packages that are left out.
    pub exclude: Vec<Package>,
    /// Whether packages bring those that they only recommend; from EL8 on it can be `false`.
    pub weak_deps: Option<bool>,
}

/// Services that start, and those that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// They start with the machine.
    pub enabled: Vec<Name>,
    /// They do not.
    pub disabled: Vec<Name>,
}

/// The disk. Without a `wipe` rule nothing of it is written and the installer asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Which disk may be erased; see [`Wipe`].
    pub wipe: Option<Wipe>,
    /// `lvm` (the default), `plain`, or `thin` (from EL7 on).
    pub layout: Layout,
    /// Whether `/home` gets a volume of its own. From EL7 on it can be left out, and is.
    pub home: bool,
    /// Whether there is swap; from EL8 on it can be left out.
    pub swap: Option<bool>,
    /// The passphrase that encrypts the disk; empty, and the installer asks for it. It stands readable in what the
    /// machine fetches.
    pub encrypt: Option<Text>,
}

/// How the installer shows itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// In text.
    #[default]
    Text,
    /// In windows.
    Graphical,
    /// In windows on another computer: by VNC, or RDP where the release has that instead (EL10, Fedora 43).
    Remote,
}

/// What the machine does when it is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// It starts again.
    #[default]
    Reboot,
    /// It switches itself off.
    Poweroff,
    /// It waits for somebody to press Enter.
    Wait,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Before the installer looks at disks.
    Pre,
    /// In the installed system.
    #[default]
    Post,
    /// At the same time, seen from the installer.
    PostOutside,
}

/// A script of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// `pre`, `post` (the default) or `post-outside`.
    pub when: When,
    /// What runs it; a shell unless it is said.
    pub interpreter: Option<Word>,
    /// The script.
    pub body: Body,
}

/// Where more packages are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// Its name.
    pub name: Name,
    /// Where it is.
    pub url: Url,
}

/// Everything that a generated kickstart says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The language of the installed system, such as `de_AT.UTF-8`.
    pub lang: Word,
    /// The keyboard, such as `us` or `de`.
    pub keyboard: Word,
    /// The time zone, such as `Europe/Vienna`. The hardware clock keeps UTC.
    pub timezone: Word,
    /// Time servers. From EL7 on.
    pub ntp: Vec<HostName>,
    /// The host's name; without one it comes from DHCP.
    pub hostname: Option<HostName>,
    /// Interfaces; none means DHCP on the first one with a cable.
    pub network: Vec<Network>,
    /// Root's password: a hash, `random` (the default), `prompt`, `ask`, or `locked`.
    pub root: Password,
    /// Public keys that may log in as root.
    pub ssh_keys: Vec<SshKey>,
    /// Who else can log in.
    pub users: Vec<User>,
    /// What SELinux does.
    pub selinux: Selinux,
    /// What comes through the firewall.
    pub firewall: Firewall,
    /// What is installed.
    pub packages: Packages,
    /// Services that start, and those that do not.
    pub services: Services,
    /// The disk, and whether it may be erased.
    pub disk: Disk,
    /// More arguments for the kernel of the installed system, such as `console=ttyS0`.
    pub append: Option<Arguments>,
    /// How the installer shows itself.
    pub mode: Mode,
    /// What the machine does when it is installed.
    pub end: End,
    /// Where more packages are.
    pub repos: Vec<Repo>,
    /// Scripts.
    pub scripts: Vec<Script>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            lang: Word("en_US.UTF-8".to_owned()),
            keyboard: Word("us".to_owned()),
            timezone: Word("Etc/UTC".to_owned()),
            ntp: Vec::new(),
            hostname: None,
            network: Vec::new(),
            root: Password::Random,
            ssh_keys: Vec::new(),
            users: Vec::new(),
            selinux: Selinux::default(),
            firewall: Firewall::default(),
            packages: Packages::default(),
            services: Services::default(),
            disk: Disk::default(),
            append: None,
            mode: Mode::default(),
            end: End::default(),
            repos: Vec::new(),
            scripts: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_profile_is_the_default() {
        assert_eq!(Profile::from_toml(b""), Ok(Profile::default()));
    }

    #[test]
    fn a_whole_profile_is_read() {
        let profile =
            Profile::from_toml(include_bytes!("../../tests/kickstart/whole.toml")).expect("it is right");
        assert_eq!(profile.hostname.as_ref().map(HostName::as_str), Some("node1.example.org"));
        assert_eq!((profile.network.len(), profile.users.len(), profile.scripts.len()), (3, 2, 2));
        assert_eq!(profile.disk.wipe.map(|wipe| wipe.to_string()).as_deref(), Some("size>=100G,smallest"));
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (text, line, said) in [
            ("lang = 'x'\nroot = 'secret'\n", 2, "in the open"),
            ("\n\nlangg = 'x'\n", 3, "not known here"),
            ("hostname = 'a_b'\n", 1, "name of a host"),
            ("[disk]\nwipe = 'biggest'\n", 2, "biggest"),
            ("[[network]]\naddress = '10.0.0.5'\n", 2, "10.0.0.5/24"),
            ("[[user]]\nname = 'a b'\n", 2, "' '"),
            ("[[user]]\nname = 'a'\nssh-keys = ['hello']\n", 3, "public key"),
            ("[[script]]\nbody = '''\ntrue\n%end\n'''\n", 2, "%end"),
            ("append = \"a\\nb\"\n", 1, "U+000A"),
            ("lang = '--x'\n", 1, "begins with -"),
            ("a = [\n", 1, ""),
            ("\n[firewall]\nenabled = 'yes'\n", 3, "true or false"),
            ("lang = 5\n", 1, "a text in quotes"),
            ("end = 5\n", 1, "a text in quotes"),
            ("end = 'never'\n", 1, "poweroff"),
            ("ntp = 'ntp.example.org'\n", 1, "a list in brackets"),
            ("disk = 'sda'\n", 1, "a table"),
            ("network = [{ vlan = '5' }]\n", 1, "a number"),
            ("network = [{ mtu = 70000 }]\n", 1, "a number"),
            ("\n[[user]]\nadmin = true\n", 2, "name is missing"),
        ] {
            let error = Profile::from_toml(text.as_bytes()).expect_err(text);
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(said), "{text}: {error}");
        }
        assert!(Profile::from_toml(b"a\n\xff").is_err_and(|error| error.starts_with("line 2: ")));
    }
}
