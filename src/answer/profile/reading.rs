//! The profile's file: which key is what.

use std::str::FromStr;

use super::{
    Disk, End, Firewall, Mode, Network, Packages, Password, Profile, Repo, Script, Selinux, Services,
};
use super::{User, When};
use crate::answer::document::{self, Error, Table};
use crate::answer::storage::Layout;

/// Longest profile, in bytes.
const MAX_PROFILE: usize = 1 << 20;

impl Profile {
    /// Reads a profile written in TOML.
    ///
    /// # Errors
    /// The line, what is wrong there, and what may stand there.
    pub fn from_toml(text: &[u8]) -> Result<Self, String> {
        if text.len() > MAX_PROFILE {
            return Err("a profile has at most 1 MiB".to_owned());
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            let line = 1 + text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            format!("line {line}: a letter is not UTF-8; save the file as UTF-8")
        })?;
        let mut profile = Self::default();
        document::read(text, |table| profile.take(table)).map_err(|error| error.to_string())?;
        Ok(profile)
    }

    fn take(&mut self, table: &mut Table<'_>) -> Result<(), Error> {
        table.text("lang", &mut self.lang)?;
        table.text("keyboard", &mut self.keyboard)?;
        table.text("timezone", &mut self.timezone)?;
        table.list("ntp", &mut self.ntp)?;
        table.option("hostname", &mut self.hostname)?;
        table.tables("network", &mut self.network, Network::taken)?;
        table.text("root", &mut self.root)?;
        table.list("ssh-keys", &mut self.ssh_keys)?;
        table.tables("user", &mut self.users, User::taken)?;
        table.text("selinux", &mut self.selinux)?;
        table.table("firewall", &mut |table| self.firewall.take(table))?;
        table.table("packages", &mut |table| self.packages.take(table))?;
        table.table("services", &mut |table| self.services.take(table))?;
        table.table("disk", &mut |table| self.disk.take(table))?;
        table.option("append", &mut self.append)?;
        table.text("mode", &mut self.mode)?;
        table.text("end", &mut self.end)?;
        table.tables("repo", &mut self.repos, Repo::taken)?;
        table.tables("script", &mut self.scripts, Script::taken)
    }
}

impl Network {
    fn taken(table: &mut Table<'_>) -> Result<Self, Error> {
        let mut network = Self::default();
        table.option("device", &mut network.device)?;
        table.text("address", &mut network.address)?;
        table.option("gateway", &mut network.gateway)?;
        table.list("dns", &mut network.dns)?;
        table.list("bond", &mut network.bond)?;
        table.option("bond-options", &mut network.bond_options)?;
        network.vlan = table.number("vlan")?;
        network.mtu = table.number("mtu")?;
        Ok(network)
    }
}

impl User {
    fn taken(table: &mut Table<'_>) -> Result<Self, Error> {
        let mut user = Self {
            name: table.required("name")?,
            password: Password::Locked,
            admin: false,
            groups: Vec::new(),
            comment: None,
            ssh_keys: Vec::new(),
        };
        table.text("password", &mut user.password)?;
        user.admin = table.flag("admin")?.unwrap_or(user.admin);
        table.list("groups", &mut user.groups)?;
        table.option("comment", &mut user.comment)?;
        table.list("ssh-keys", &mut user.ssh_keys)?;
        Ok(user)
    }
}

impl Firewall {
    fn take(&mut self, table: &mut Table<'_>) -> Result<(), Error> {
        self.enabled = table.flag("enabled")?.unwrap_or(self.enabled);
        table.list("services", &mut self.services)?;
        table.list("ports", &mut self.ports)
    }
}

impl Packages {
    fn take(&mut self, table: &mut Table<'_>) -> Result<(), Error> {
        table.option("environment", &mut self.environment)?;
        table.list("groups", &mut self.groups)?;
        table.list("install", &mut self.install)?;
        table.list("exclude", &mut self.exclude)?;
        self.weak_deps = table.flag("weak-deps")?;
        Ok(())
    }
}

impl Services {
    fn take(&mut self, table: &mut Table<'_>) -> Result<(), Error> {
        table.list("enabled", &mut self.enabled)?;
        table.list("disabled", &mut self.disabled)
    }
}

impl Disk {
    fn take(&mut self, table: &mut Table<'_>) -> Result<(), Error> {
        table.option("wipe", &mut self.wipe)?;
        table.text("layout", &mut self.layout)?;
        self.home = table.flag("home")?.unwrap_or(self.home);
        self.swap = table.flag("swap")?;
        table.option("encrypt", &mut self.encrypt)
    }
}

impl Repo {
    fn taken(table: &mut Table<'_>) -> Result<Self, Error> {
        Ok(Self { name: table.required("name")?, url: table.required("url")? })
    }
}

impl Script {
    fn taken(table: &mut Table<'_>) -> Result<Self, Error> {
        let mut script = Self { when: When::default(), interpreter: None, body: table.required("body")? };
        table.text("when", &mut script.when)?;
        table.option("interpreter", &mut script.interpreter)?;
        Ok(script)
    }
}

/// Declares the words for what is one of a few.
macro_rules! words {
    ($name:ident: $($word:literal = $variant:ident),+) => {
        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("\"{text}\" is not known; write one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words!(Selinux: "enforcing" = Enforcing, "permissive" = Permissive, "disabled" = Disabled);
words!(Mode: "text" = Text, "graphical" = Graphical, "remote" = Remote);
words!(End: "reboot" = Reboot, "poweroff" = Poweroff, "wait" = Wait);
words!(When: "pre" = Pre, "post" = Post, "post-outside" = PostOutside);
words!(Layout: "lvm" = Lvm, "plain" = Plain, "thin" = Thin);
