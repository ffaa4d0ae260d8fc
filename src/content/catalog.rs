//! The table of everything that is served: what is made, what is unpacked, and the image's tree.
//!
//! Names that are made win over the image's: its own `grub.cfg` would search for a disc that is not there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Content, Found, Library, Request, Role};
use crate::answer::{Answers, Circumstances};
use crate::boot::plan::KickstartFacts;
use crate::boot::script::{Reach, grub, ipxe, pxelinux};
use crate::boot::{Asker, Site};
use crate::image::{Entry, FileTree, Node};
use crate::machine::{Machine, Registry};

/// What unpacking gives: files by the name they are served under at the root, or why there are none.
pub type Unpacked = Result<BTreeMap<String, Arc<[u8]>>, String>;

/// Files that are unpacked when first asked for.
pub type Unpack = Box<dyn Fn() -> Unpacked + Send + Sync>;

/// What a [`Catalog`] is made of.
pub struct Parts {
    /// What is served in this run.
    pub site: Site,
    /// The image's files.
    pub tree: Arc<dyn FileTree>,
    /// Path of the installer's runtime image.
    pub stage2: Option<String>,
    /// PXELINUX and its modules.
    pub bios: Option<Unpack>,
    /// Loaders that we bring, by the name they are served under.
    pub embedded: BTreeMap<String, Unpack>,
    /// Programs that a first program loads, by base name, as paths on the image: some ask for them at the root whatever
    /// directory they came from (shim 15.5 and later when only option 67 was set).
    pub second_stages: BTreeMap<String, String>,
    /// The kickstarts.
    pub answers: Answers,
    /// What they must know of this run.
    pub circumstances: Circumstances,
    /// The machines of this run.
    pub machines: Arc<Mutex<Registry>>,
    /// When the server started, in seconds since 1970: the age of everything made.
    pub started: u64,
}

/// Every name that is served.
pub struct Catalog {
    parts: Parts,
    bios: OnceLock<Unpacked>,
    embedded: BTreeMap<String, OnceLock<Unpacked>>,
}

/// A menu that a loader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Menu {
    Pxelinux,
    Grub,
    Ipxe,
}

impl Catalog {
    /// The catalogue made of `parts`. Nothing is unpacked yet.
    pub fn new(parts: Parts) -> Self {
        let embedded = parts.embedded.keys().map(|name| (name.clone(), OnceLock::new())).collect();
        Self { parts, bios: OnceLock::new(), embedded }
    }

    /// What is served in this run.
    pub fn site(&self) -> &Site {
        &self.parts.site
    }

    /// Unpacks the programs for BIOS machines, if that was not done before. Takes up to some hundred milliseconds.
    ///
    /// # Errors
    /// Why the package on the image cannot be read.
    pub fn prepare_bios(&self) -> Result<(), String> {
        match self.bios_files() {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn bios_files(&self) -> Option<&Unpacked> {
        let unpack = self.parts.bios.as_ref()?;
        Some(self.bios.get_or_init(unpack))
    }

    /// What we make ourselves under this name.
    fn made(&self, request: &Request<'_>) -> Option<Found> {
        let name = std::str::from_utf8(request.name).ok()?;
        if let Some(menu) = menu(name) {
            return Some(self.menu(menu, request));
        }
        if let Some(rest) = name.strip_prefix("ks/") {
            return Some(self.kickstart(rest, request));
        }
        if name == "ks" {
            return Some(Found::Missing);
        }
        self.loader(name)
    }

    fn menu(&self, menu: Menu, request: &Request<'_>) -> Found {
        let site = &self.parts.site;
        let machine = self.identify(request).map(|machine| self.with_kickstart(machine));
        let plan = site.plan(machine.as_ref().map(|(machine, facts)| Asker::new(machine, *facts)));
        let reach = Reach { protocol: request.protocol, server: site.server, http_port: site.http_port };
        let text = match menu {
            Menu::Pxelinux => pxelinux::render(&plan),
            Menu::Grub => grub::render(&plan, &reach),
            Menu::Ipxe => ipxe::render(&plan, &reach),
        };
        self.text(text, Role::Menu)
    }

    /// The machine that asks, with the secret of its kickstart: whoever has the address it asks from. The MAC address in
    /// a menu's name proves nothing, so it does not bring the secret.
    fn identify(&self, request: &Request<'_>) -> Option<Machine> {
        self.machines().by_ip(request.peer).cloned()
    }

    fn machines(&self) -> MutexGuard<'_, Registry> {
        self.parts.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A machine with what its menu must know of its kickstart. One whose kickstart cannot be made is held.
    fn with_kickstart(&self, mut machine: Machine) -> (Machine, Option<KickstartFacts>) {
        let needs_serial = self.machines().policy().list.needs_serials();
        if needs_serial && machine.listed.is_none() && self.parts.answers.differ() {
            // Which kickstart it gets is known when it fetches it. Naming no source to the kernel suits all of them.
            return (machine, Some(KickstartFacts { own_source: true, needs_serial }));
        }
        let facts = self.parts.answers.own_source(&machine, &self.parts.circumstances);
        let trouble = facts.as_ref().err().map(ToString::to_string);
        if let Some(known) = self.machines().by_mac_mut(machine.mac) {
            known.set_trouble(trouble.clone());
        }
        machine.set_trouble(trouble);
        let facts = facts.unwrap_or_default().map(|own_source| KickstartFacts { own_source, needs_serial });
        (machine, facts)
    }

    /// `<token>/ks.cfg`, by HTTP only: a TFTP name is seen by every station of a hub, and no installer asks so. Only for the
    /// machine itself: at the address that it was given.
    fn kickstart(&self, rest: &str, request: &Request<'_>) -> Found {
        let Some(token) = rest.strip_suffix("/ks.cfg") else { return Found::Missing };
        if request.protocol != super::Protocol::Http {
            return Found::Missing;
        }
        let Some(machine) = self.machines().by_token(token).map(|machine| machine.mac) else {
            return Found::Missing;
        };
        let serial = request.serial.and_then(|serial| std::str::from_utf8(serial).ok());
        let machine = {
            let mut machines = self.machines();
            if let Some(serial) = serial {
                machines.has_serial(machine, serial);
            }
            machines.by_mac(machine).filter(|machine| machine.ip == Some(request.peer)).cloned()
        };
        let Some(machine) = machine else { return Found::Missing };
        match self.parts.answers.render(&machine, &self.parts.circumstances) {
            Ok(Some(text)) => Found::Content(Content::from_bytes(text, Role::Answer, self.parts.started)),
            Ok(None) => Found::Missing,
            Err(error) => {
                if let Some(machine) = self.machines().by_mac_mut(machine.mac) {
                    machine.set_trouble(Some(error.to_string()));
                }
                Found::Missing
            }
        }
    }

    fn loader(&self, name: &str) -> Option<Found> {
        let loader = |bytes: &Arc<[u8]>| {
            Found::Content(Content::from_bytes(bytes.clone(), Role::Loader, self.parts.started))
        };
        if let Some((unpack, cell)) = self.parts.embedded.get(name).zip(self.embedded.get(name)) {
            let files = cell.get_or_init(unpack).as_ref().ok()?;
            return files.get(name).map(loader);
        }
        let is_bios = name == "pxelinux.0" || name == "lpxelinux.0" || name.ends_with(".c32");
        if !is_bios {
            return None;
        }
        self.bios_files()?.as_ref().ok()?.get(name).map(loader)
    }

    fn text(&self, text: String, role: Role) -> Found {
        Found::Content(Content::from_bytes(text.into_bytes(), role, self.parts.started))
    }

    /// What the image has under this name.
    fn on_image(&self, name: &[u8]) -> Found {
        let image = self.parts.site.image.as_bytes();
        let path = match name.strip_prefix(b"t/").or_else(|| name.eq(b"t").then_some(b"")) {
            Some([]) => return Found::Directory(vec![directory(image)]),
            Some(rest) => match rest.strip_prefix(image) {
                Some([]) => rest.get(..0).unwrap_or_default(),
                Some([b'/', path @ ..]) => path,
                _ => return self.find_path(name),
            },
            None => name,
        };
        self.find_path(path)
    }

    fn find_path(&self, path: &[u8]) -> Found {
        let tree = &self.parts.tree;
        let second_stage = || {
            let base = path.rsplit(|byte| *byte == b'/').next()?;
            let target =
                self.parts.second_stages.get(&std::str::from_utf8(base).ok()?.to_ascii_lowercase())?;
            tree.find(target.as_bytes())
        };
        match tree.find(path).or_else(|| tree.find_any_case(path)).or_else(second_stage) {
            Some(Node::File(file)) => Found::Content(Content {
                role: self.role(path),
                modified: file.modified,
                body: super::Body::Image(file.data),
            }),
            Some(Node::Directory) => tree.list(path).map_or(Found::Missing, Found::Directory),
            None => Found::Missing,
        }
    }

    /// What the image's file `path` is in the boot of a machine.
    fn role(&self, path: &[u8]) -> Role {
        let site = &self.parts.site;
        let text = String::from_utf8_lossy(path);
        let lower = text.to_ascii_lowercase();
        let is = |other: &str| other.eq_ignore_ascii_case(&text);
        if is(&site.kernel) {
            Role::Kernel
        } else if site.initrds.iter().any(|initrd| is(initrd)) {
            Role::Initrd
        } else if self.parts.stage2.as_deref().is_some_and(is) {
            Role::Stage2
        } else if lower.ends_with(".rpm") {
            Role::Package
        } else if lower.ends_with(".efi") {
            Role::Loader
        } else if lower == ".treeinfo"
            || lower == "treeinfo"
            || lower == ".discinfo"
            || lower.contains("repodata/")
        {
            Role::Metadata
        } else {
            Role::Other
        }
    }
}

impl Library for Catalog {
    fn find(&self, request: &Request<'_>) -> Found {
        self.made(request).unwrap_or_else(|| self.on_image(request.name))
    }
}

/// The menu that a name asks for, in whatever directory the loader believes to be.
///
/// PXELINUX: `pxelinux.cfg/` with a UUID, `01-<mac>`, a shortened hexadecimal address or `default`
/// (`core/fs/pxe/pxe.c`). GRUB: `grub.cfg`, and `grub.cfg-` with the same (`grub-core/net/net.c` of EL). iPXE on UEFI
/// looks for `autoexec.ipxe` by itself (`interface/efi/efi_autoexec.c`).
fn menu(name: &str) -> Option<Menu> {
    let lower = name.to_ascii_lowercase();
    let (directory, base) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let parent = directory.rsplit('/').next().unwrap_or_default();
    if parent == "pxelinux.cfg" {
        Some(Menu::Pxelinux)
    } else if base == "grub.cfg" || base.starts_with("grub.cfg-") {
        Some(Menu::Grub)
    } else if base == "boot.ipxe" || base == "autoexec.ipxe" {
        Some(Menu::Ipxe)
    } else {
        None
    }
}

fn directory(name: &[u8]) -> Entry {
    Entry { name: name.to_vec(), is_directory: true, len: 0, modified: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::answers::Answer;
    use crate::answer::answers::tests::circumstances;
    use crate::boot::plan::tests::site;
    use crate::content::Protocol;
    use crate::image::{File, FileData};
    use crate::wire::MacAddr;
    use std::collections::HashMap;
    use std::net::Ipv4Addr;

    const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
    const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 100);
    const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 7);

    /// An image as a list of paths, each holding its own path.
    struct Paths(&'static [&'static str]);

    impl FileTree for Paths {
        fn find(&self, path: &[u8]) -> Option<Node> {
            if self.0.iter().any(|file| file.as_bytes() == path) {
                return Some(Node::File(File { data: FileData::from_bytes(path.to_vec()), modified: 1 }));
            }
            self.list(path).map(|_| Node::Directory)
        }

        fn find_any_case(&self, path: &[u8]) -> Option<Node> {
            self.0
                .iter()
                .find(|file| file.as_bytes().eq_ignore_ascii_case(path))
                .and_then(|file| self.find(file.as_bytes()))
        }

        fn list(&self, path: &[u8]) -> Option<Vec<Entry>> {
            let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
            let mut entries: Vec<Entry> = self
                .0
                .iter()
                .filter_map(|file| file.as_bytes().strip_prefix(&*prefix))
                .map(directory)
                .collect();
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            (!entries.is_empty()).then_some(entries)
        }
    }

    fn catalog() -> Catalog {
        let mut machines = Registry::new(|| 0xabc);
        machines.bind(MAC, MACHINE, 0);
        let files = |names: &'static [&'static str]| -> Unpack {
            Box::new(move || {
                Ok(names.iter().map(|name| ((*name).to_owned(), name.as_bytes().into())).collect())
            })
        };
        Catalog::new(Parts {
            site: site(80),
            tree: Arc::new(Paths(&[
                ".treeinfo",
                "EFI/BOOT/BOOTX64.EFI",
                "EFI/BOOT/grub.cfg",
                "EFI/BOOT/grubx64.efi",
                "Packages/A.rpm",
                "Packages/a.rpm",
                "images/install.img",
                "images/pxeboot/initrd.img",
                "images/pxeboot/vmlinuz",
                "isolinux/vesamenu.c32",
                "pxelinux.0",
                "t/el8/file",
            ])),
            stage2: Some("images/install.img".into()),
            bios: Some(files(&["pxelinux.0", "ldlinux.c32"])),
            embedded: BTreeMap::from([("undionly.kpxe".to_owned(), files(&["undionly.kpxe"]))]),
            second_stages: BTreeMap::from([("grubx64.efi".to_owned(), "EFI/BOOT/grubx64.efi".to_owned())]),
            answers: Answers::new(Answer::parse("ks.cfg", b"text\n".to_vec()).ok(), HashMap::new(), false),
            circumstances: circumstances(),
            machines: Arc::new(Mutex::new(machines)),
            started: 7,
        })
    }

    fn found(name: &str, peer: Ipv4Addr, protocol: Protocol) -> Option<(String, Role)> {
        match catalog().find(&Request { name: name.as_bytes(), peer, protocol, serial: None }) {
            Found::Content(content) => {
                let mut bytes = vec![0; content.len() as usize];
                content.read_at(&mut bytes, 0).expect("readable");
                Some((String::from_utf8(bytes).expect("text"), content.role))
            }
            Found::Directory(entries) => Some((
                entries
                    .iter()
                    .map(|entry| String::from_utf8_lossy(&entry.name).into_owned())
                    .collect::<Vec<_>>()
                    .join(" "),
                Role::Other,
            )),
            Found::Missing => None,
        }
    }

    #[test]
    fn t33_a_name_in_another_case_is_found_unless_there_is_an_exact_one() {
        for (name, expected) in [
            ("images/PXEBOOT/Vmlinuz", "images/pxeboot/vmlinuz"),
            ("efi/boot/bootx64.efi", "EFI/BOOT/BOOTX64.EFI"),
            ("Packages/A.rpm", "Packages/A.rpm"),
            ("Packages/a.rpm", "Packages/a.rpm"),
        ] {
            // Each file holds its own path.
            let text = found(name, MACHINE, Protocol::Tftp).map(|(text, _)| text);
            assert_eq!(text.as_deref(), Some(expected), "{name}");
        }
        assert_eq!(found("images/nothing", MACHINE, Protocol::Tftp), None);
    }

    #[test]
    fn the_tree_is_at_the_root_and_under_its_name() {
        for (name, path, role) in [
            ("images/pxeboot/vmlinuz", "images/pxeboot/vmlinuz", Role::Kernel),
            ("t/el9/images/pxeboot/initrd.img", "images/pxeboot/initrd.img", Role::Initrd),
            ("t/el9/.treeinfo", ".treeinfo", Role::Metadata),
            ("images/install.img", "images/install.img", Role::Stage2),
            ("Packages/a.rpm", "Packages/a.rpm", Role::Package),
            ("efi/boot/bootx64.efi", "EFI/BOOT/BOOTX64.EFI", Role::Loader),
            ("t/el8/file", "t/el8/file", Role::Other),
        ] {
            assert_eq!(found(name, STRANGER, Protocol::Http), Some((path.into(), role)), "{name}");
        }
        assert_eq!(found("t", STRANGER, Protocol::Http), Some(("el9".into(), Role::Other)));
        assert!(
            found("t/el9", STRANGER, Protocol::Http).is_some_and(|(names, _)| names.contains(".treeinfo"))
        );
        assert_eq!(found("nothing", STRANGER, Protocol::Http), None);
    }

    #[test]
    fn what_is_made_wins_over_the_image() {
        assert_eq!(found("pxelinux.0", MACHINE, Protocol::Tftp), Some(("pxelinux.0".into(), Role::Loader)));
        assert_eq!(found("ldlinux.c32", MACHINE, Protocol::Tftp), Some(("ldlinux.c32".into(), Role::Loader)));
        assert_eq!(
            found("undionly.kpxe", MACHINE, Protocol::Tftp),
            Some(("undionly.kpxe".into(), Role::Loader))
        );
        assert_eq!(
            found("isolinux/vesamenu.c32", MACHINE, Protocol::Http),
            Some(("isolinux/vesamenu.c32".into(), Role::Other))
        );
    }

    #[test]
    fn c07_c08_c10_menus_are_answered_in_any_directory() {
        for name in [
            "pxelinux.cfg/default",
            "pxelinux.cfg/01-52-54-00-00-00-01",
            "any/where/pxelinux.cfg/C0A8",
            "grub.cfg",
            "EFI/BOOT/grub.cfg",
            "t/el9/EFI/BOOT/grub.cfg",
            "grub/x86_64-efi/grub.cfg-01-52-54-00-00-00-01",
            "boot.ipxe",
            "EFI/BOOT/autoexec.ipxe",
        ] {
            for protocol in [Protocol::Tftp, Protocol::Http] {
                let (text, role) = found(name, MACHINE, protocol).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(role, Role::Menu, "{name}");
                assert!(
                    text.contains("inst.ks=http://192.168.100.1/ks/00000000000000000000000000000abc/ks.cfg"),
                    "{text}"
                );
            }
        }
        for name in ["pxelinux.cfg", "pxelinux.cfg/a/b", "grub.cfgx", "isolinux/isolinux.cfg"] {
            assert_eq!(found(name, MACHINE, Protocol::Http), None, "{name}");
        }
    }

    #[test]
    fn c09_the_second_stage_is_also_at_the_root() {
        for name in ["grubx64.efi", "EFI/BOOT/grubx64.efi", "any/grubx64.efi"] {
            let (text, _) = found(name, MACHINE, Protocol::Tftp).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(text, "EFI/BOOT/grubx64.efi");
        }
        assert_eq!(found("revocations.efi", MACHINE, Protocol::Tftp), None);
    }

    #[test]
    fn s12_the_kickstart_is_for_who_knows_its_secret_at_its_address() {
        let name = "ks/00000000000000000000000000000abc/ks.cfg";
        let expected = ("url --url=http://192.168.100.1/t/el9\ntext\n".to_owned(), Role::Answer);
        assert_eq!(found(name, MACHINE, Protocol::Http), Some(expected));
        assert_eq!(found(name, MACHINE, Protocol::Tftp), None);
        assert_eq!(found(name, STRANGER, Protocol::Http), None, "s12: it is for one address");
        for name in ["ks", "ks/ks.cfg", "ks/abc/ks.cfg", "ks/00000000000000000000000000000abc", "ks.cfg"] {
            assert_eq!(found(name, MACHINE, Protocol::Http), None, "{name}");
        }
        for name in ["pxelinux.cfg/default", "pxelinux.cfg/01-52-54-00-00-00-01", "grub.cfg"] {
            let (menu, _) = found(name, STRANGER, Protocol::Tftp).expect("a menu");
            assert!(!menu.contains("inst.ks="), "{menu}");
        }
    }
}
