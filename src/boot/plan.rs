//! What a machine gets: the one value that every protocol asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Arguments;
use crate::content::Protocol;
use crate::machine::{Assignment, Machine};
use crate::media::{Arguments as Style, GrubVerb};
use crate::wire::MacAddr;

/// How long a menu waits before it installs: enough to stop it by hand, not enough to be noticed.
const MENU_TIMEOUT: Duration = Duration::from_secs(3);

/// What is served in this run, whoever asks.
#[derive(Clone, Debug)]
pub struct Site {
    /// Our address.
    pub server: Ipv4Addr,
    /// The port of our HTTP server.
    pub http_port: u16,
    /// The image's short name, as it stands in served names: `t/<image>/…`.
    pub image: String,
    /// What it installs, as people name it.
    pub title: String,
    /// How its kernel arguments are spelt.
    pub style: Style,
    /// Path of the kernel on the image.
    pub kernel: String,
    /// Paths of the initial ramdisks on the image, in order.
    pub initrds: Vec<String>,
    /// How its GRUB loads a kernel.
    pub grub_verb: GrubVerb,
    /// Whether packages are installed from it. If not, only the installer itself is.
    pub has_packages: bool,
}

/// What menus need to know of the kickstart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KickstartFacts {
    /// Whether it names its own installation source.
    pub own_source: bool,
    /// Whether the installer is to say the machine's serial number when it fetches it.
    pub needs_serial: bool,
}

/// Something that a person may choose to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it does, as people read it.
    pub title: String,
    /// The kernel's name on our server.
    pub kernel: String,
    /// The initial ramdisks' names on our server, in order.
    pub initrds: Vec<String>,
    /// The kernel's arguments, in order.
    pub arguments: Vec<String>,
}

/// What one machine gets now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The entry that installs.
    pub install: Entry,
    /// How long a menu waits before it installs.
    pub timeout: Duration,
    /// How a kernel is loaded by GRUB.
    pub grub_verb: GrubVerb,
}

/// The machine that asks for its plan.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The card it boots from.
    pub mac: MacAddr,
    /// The secret in its kickstart's URL.
    pub token: &'a str,
    /// What is known of its kickstart, if it gets one.
    pub kickstart: Option<KickstartFacts>,
    /// What it is to do.
    pub assignment: &'a Assignment,
}

impl<'a> Asker<'a> {
    /// A machine of ours, with what is known of its kickstart.
    pub fn new(machine: &'a Machine, kickstart: Option<KickstartFacts>) -> Self {
        Self { mac: machine.mac, token: &machine.token, kickstart, assignment: &machine.assignment }
    }
}

impl Site {
    /// What `machine` gets. An unknown machine gets the installer without a kickstart: the secret is not for strangers.
    pub fn plan(&self, machine: Option<Asker<'_>>) -> Plan {
        let tree = self.tree_url();
        let kickstart =
            machine.and_then(|asker| asker.kickstart.map(|facts| (facts, self.kickstart_url(asker.token))));
        let arguments = Arguments {
            style: self.style,
            tree: &tree,
            kickstart: kickstart.as_ref().map(|(_, url)| url.as_str()),
            installer_only: !self.has_packages
                || kickstart.as_ref().is_some_and(|(facts, _)| facts.own_source),
            mac: machine.map(|asker| asker.mac),
            sends_serial: kickstart.as_ref().is_some_and(|(facts, _)| facts.needs_serial),
        };
        Plan {
            install: Entry {
                title: format!("Install {}", self.title),
                kernel: self.tree_name(&self.kernel),
                initrds: self.initrds.iter().map(|path| self.tree_name(path)).collect(),
                arguments: arguments.to_vec(),
            },
            timeout: MENU_TIMEOUT,
            grub_verb: self.grub_verb,
        }
    }

    /// The name under which the image's file `path` is served.
    pub fn tree_name(&self, path: &str) -> String {
        format!("t/{}/{path}", self.image)
    }

    /// URL of the install tree, without a trailing slash.
    pub fn tree_url(&self) -> String {
        self.url(Protocol::Http, &format!("t/{}", self.image))
    }

    /// URL of the kickstart of the machine that has `token`.
    pub fn kickstart_url(&self, token: &str) -> String {
        self.url(Protocol::Http, &format!("ks/{token}/ks.cfg"))
    }

    /// URL of what we serve under `name`. The host is an address: a loader has no resolver.
    pub fn url(&self, protocol: Protocol, name: &str) -> String {
        match (protocol, self.http_port) {
            (Protocol::Tftp, _) => format!("tftp://{}/{name}", self.server),
            (Protocol::Http, 80) => format!("http://{}/{name}", self.server),
            (Protocol::Http, port) => format!("http://{}:{port}/{name}", self.server),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A site that serves an EL9 with a kickstart on `port`.
    pub(crate) fn site(http_port: u16) -> Site {
        Site {
            server: Ipv4Addr::new(192, 168, 100, 1),
            http_port,
            image: "el9".into(),
            title: "Rocky Linux 9.6".into(),
            style: Style::El8Plus,
            kernel: "images/pxeboot/vmlinuz".into(),
            initrds: vec!["images/pxeboot/initrd.img".into()],
            grub_verb: GrubVerb::Linux,
            has_packages: true,
        }
    }

    /// What is known of most kickstarts.
    pub(crate) const KICKSTART: Option<KickstartFacts> =
        Some(KickstartFacts { own_source: false, needs_serial: false });

    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

    #[test]
    fn a_machine_gets_its_own_kickstart() {
        let assignment = Assignment::default();
        let plan = site(80).plan(Some(Asker {
            mac: MAC,
            token: "abc",
            kickstart: KICKSTART,
            assignment: &assignment,
        }));
        assert_eq!(plan.install.kernel, "t/el9/images/pxeboot/vmlinuz");
        assert_eq!(
            plan.install.arguments,
            [
                "inst.ks=http://192.168.100.1/ks/abc/ks.cfg",
                "inst.repo=http://192.168.100.1/t/el9",
                "ip=dhcp",
                "BOOTIF=01-52-54-00-00-00-01",
                "inst.ks.sendmac"
            ]
        );
    }

    #[test]
    fn a_stranger_gets_none() {
        let plan = site(8080).plan(None);
        assert_eq!(plan.install.arguments, ["inst.repo=http://192.168.100.1:8080/t/el9", "ip=dhcp"]);
    }

    #[test]
    fn an_image_without_packages_is_not_named_as_their_source() {
        let plan = Site { has_packages: false, ..site(80) }.plan(None);
        assert_eq!(plan.install.arguments, ["inst.stage2=http://192.168.100.1/t/el9", "ip=dhcp"]);
    }
}
