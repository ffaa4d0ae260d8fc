//! What is served in this run, whoever asks.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::content::Protocol;
use crate::machine::ImageId;
use crate::media::{self, GrubVerb};

/// What is served in this run.
#[derive(Clone, Debug)]
pub struct Site {
    /// Our address.
    pub server: Ipv4Addr,
    /// The port of our HTTP server.
    pub http_port: u16,
    /// The images, in the order of the menu; at least one.
    pub images: Vec<Image>,
    /// The image whose loader UEFI machines get that are not bound to another.
    pub loader: Option<ImageId>,
    /// What the user wished of the menu.
    pub wish: MenuWish,
    /// The disk that images which are told of one install themselves to; such as `/dev/nvme0n1`.
    pub disk: Option<String>,
}

/// An image that machines can be booted from.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its short name, as it stands in served names: `t/<id>/…`.
    pub id: ImageId,
    /// What it is, as people name it.
    pub title: String,
    /// Its architecture, as its maker writes it.
    pub arch: String,
    /// What it offers; the first is the default one.
    pub entries: Vec<media::Entry>,
    /// Its own menu for who boots from the medium itself.
    pub menu: Option<media::Menu>,
    /// How its GRUB loads a kernel.
    pub grub_verb: GrubVerb,
    /// Paths of its first programs for UEFI machines: what Secure Boot wants for its kernel.
    pub uefi_programs: Vec<String>,
    /// Which of its entries, by their ids, firmware of one kind cannot run.
    pub runs_on: Vec<(String, RunsOn)>,
    /// Where packages come from.
    pub packages: Packages,
    /// Whether machines are installed with it by a kickstart that answers the installer's questions.
    pub has_kickstart: bool,
}

/// The firmware that a program needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunsOn {
    /// Any.
    #[default]
    Any,
    /// A BIOS: it has no EFI header.
    BiosOnly,
    /// UEFI: it has no Linux header.
    UefiOnly,
    /// A BIOS, or UEFI by GRUB: Linux before 3.3 is no EFI program, and those are all that iPXE starts there.
    BiosOrGrub,
}

/// Where the packages of an installation come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packages {
    /// The image itself.
    Own,
    /// Another image of this run: of the same release, with packages.
    Image(ImageId),
    /// A server elsewhere; holds the URL, without a trailing slash.
    Mirror(String),
    /// Nobody says: the installer asks, or the kickstart tells.
    Unknown,
}

/// What menus need to know of the kickstart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KickstartFacts {
    /// Whether it names its own installation source.
    pub own_source: bool,
    /// Whether the installer is to say the machine's serial number when it fetches it.
    pub needs_serial: bool,
}

/// What the user wished of the menu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuWish {
    /// The entry that starts by itself: an image's id, or a label of the menu.
    pub default: Option<String>,
    /// How long the menu waits.
    pub wait: Option<Wait>,
}

/// How long a menu waits before it starts its default entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It is not shown at all.
    Not,
    /// This long.
    For(Duration),
    /// Until somebody chooses.
    Forever,
}

impl Site {
    /// The image with this id.
    pub fn image(&self, id: &ImageId) -> Option<&Image> {
        self.images.iter().find(|image| image.id == *id)
    }

    /// The one image of this run; `None` when there are several.
    pub fn only_image(&self) -> Option<&Image> {
        match self.images.as_slice() {
            [image] => Some(image),
            _ => None,
        }
    }

    /// What is installed, as people name it.
    pub fn title(&self) -> String {
        let titles: Vec<&str> = self.images.iter().map(|image| image.title.as_str()).collect();
        titles.join(", ")
    }

    /// The name under which the file `path` of an image is served.
    pub fn tree_name(&self, image: &ImageId, path: &str) -> String {
        format!("t/{image}/{path}")
    }

    /// URL of an image's files, without a trailing slash.
    pub fn tree_url(&self, image: &ImageId) -> String {
        self.url(Protocol::Http, &format!("t/{image}"))
    }

    /// URL of the packages that are installed with `image`; `None` when nobody says.
    pub fn packages_url(&self, image: &Image) -> Option<String> {
        match &image.packages {
            Packages::Own => Some(self.tree_url(&image.id)),
            Packages::Image(other) => Some(self.tree_url(other)),
            Packages::Mirror(url) => Some(url.clone()),
            Packages::Unknown => None,
        }
    }

    /// URL of the kickstart for `image` of the machine that has `token`.
    pub fn kickstart_url(&self, image: &ImageId, token: &str) -> String {
        let name = match self.only_image() {
            Some(_) => format!("ks/{token}/ks.cfg"),
            None => format!("ks/{token}/{image}/ks.cfg"),
        };
        self.url(Protocol::Http, &name)
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

impl Image {
    /// Whether what it starts first is Linux of a kind that iPXE does not start on UEFI.
    pub fn needs_bios_or_grub(&self) -> bool {
        self.entries.first().is_some_and(|first| self.runs_on(first) == RunsOn::BiosOrGrub)
    }

    /// Which firmware runs an entry.
    pub fn runs_on(&self, entry: &media::Entry) -> RunsOn {
        self.runs_on.iter().find(|(id, _)| *id == entry.id).map_or(RunsOn::Any, |(_, runs_on)| *runs_on)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::media::EntryKind;

    const ARGUMENTS: &str = "inst.ks={answer} inst.repo={repo} {!repo}inst.stage2={tree} inst.repo={mirror} ip=dhcp \
                             BOOTIF={bootif} {?answer}inst.ks.sendmac";

    /// An image as it would be found, with these ways to install.
    pub(crate) fn image(id: &str, title: &str) -> Image {
        let entry = |id: &str, title: String, kind, more: &str| media::Entry {
            id: id.into(),
            title,
            kind,
            kernel: "images/pxeboot/vmlinuz".into(),
            initrds: vec!["images/pxeboot/initrd.img".into()],
            arguments: format!("{ARGUMENTS}{more}"),
            note: None,
        };
        Image {
            id: ImageId::new(id),
            title: title.into(),
            arch: "x86_64".into(),
            entries: vec![
                entry("linux", format!("Install {title}"), EntryKind::Install, ""),
                entry("text", format!("Install {title} in text mode"), EntryKind::Text, " inst.text"),
                media::Entry::local(),
            ],
            menu: None,
            grub_verb: GrubVerb::Linux,
            uefi_programs: vec!["EFI/BOOT/BOOTX64.EFI".into()],
            runs_on: Vec::new(),
            packages: Packages::Own,
            has_kickstart: true,
        }
    }

    /// What is known of a kickstart for every image.
    pub(crate) fn kickstarts(site: &Site, own_source: bool) -> Vec<(ImageId, KickstartFacts)> {
        let facts = KickstartFacts { own_source, needs_serial: false };
        site.images.iter().map(|image| (image.id.clone(), facts)).collect()
    }

    /// A site that serves an EL9 with a kickstart on `port`.
    pub(crate) fn site(http_port: u16) -> Site {
        Site {
            server: Ipv4Addr::new(192, 168, 100, 1),
            http_port,
            images: vec![image("el9", "Rocky Linux 9.6")],
            loader: None,
            wish: MenuWish::default(),
            disk: None,
        }
    }

    /// A site that serves two images, the second with the GRUB of EL7.
    pub(crate) fn site_of_two() -> Site {
        let mut site = site(80);
        site.images.push(Image { grub_verb: GrubVerb::LinuxEfi, ..image("el7", "CentOS Linux 7.9") });
        site
    }

    #[test]
    fn urls_name_the_port_where_it_is_not_the_usual_one() {
        let (one, two) = (site(8080), site_of_two());
        let id = ImageId::new("el9");
        assert_eq!(one.tree_url(&id), "http://192.168.100.1:8080/t/el9");
        assert_eq!(one.kickstart_url(&id, "abc"), "http://192.168.100.1:8080/ks/abc/ks.cfg");
        assert_eq!(two.kickstart_url(&id, "abc"), "http://192.168.100.1/ks/abc/el9/ks.cfg");
        assert_eq!(one.url(Protocol::Tftp, "x"), "tftp://192.168.100.1/x");
    }
}
