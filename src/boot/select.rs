//! Which program a client is given first.

use std::collections::{BTreeMap, BTreeSet};

use super::arch::Arch;
use super::boot_file::{BootFile, NoBoot};
use super::client::{Client, Firmware, Stage};
use super::site::Site;
use crate::content::Protocol;

/// Name of the iPXE script, and of the script for old iPXE by TFTP.
const IPXE_SCRIPT: &str = "boot.ipxe";

/// The programs that there are to be loaded first, by architecture; names on our server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstPrograms {
    /// Given by the user: these come before all others.
    pub given: BTreeMap<Arch, String>,
    /// Which of them are iPXE, which is not given to an iPXE again.
    pub given_ipxe: BTreeSet<Arch>,
    /// From the image: PXELINUX, or the image's own shim. These keep Secure Boot.
    pub image: BTreeMap<Arch, String>,
    /// For which of them what the image's program loads next goes on over HTTP, not only over TFTP.
    pub speaks_http: BTreeSet<Arch>,
    /// For which of them what the image's program loads next knows of proxyDHCP: it asks us for its menu although another
    /// server gave the address.
    pub knows_proxy: BTreeSet<Arch>,
    /// Built in: iPXE.
    pub built_in: BTreeMap<Arch, String>,
    /// Whether another server gives the addresses.
    pub is_proxy: bool,
}

impl FirstPrograms {
    /// The programs for machines that have their addresses from another server.
    pub fn beside_another_server(&self) -> Self {
        Self { is_proxy: true, ..self.clone() }
    }

    /// Whether there is one for machines of this kind.
    pub fn has(&self, arch: Arch) -> bool {
        [&self.given, &self.image, &self.built_in].iter().any(|programs| programs.contains_key(&arch))
    }

    /// The program for `client`: the user's, the image's own, else a built-in one, unless the client is that one already.
    fn choose(&self, client: &Client) -> Option<&str> {
        let arch = client.arch?;
        let is_ipxe = matches!(client.firmware, Firmware::Ipxe { .. });
        if let Some(given) = self.given.get(&arch).filter(|_| !is_ipxe || !self.given_ipxe.contains(&arch)) {
            return Some(given);
        }
        let built_in = || self.built_in.get(&arch).filter(|_| client.may_chainload_ipxe());
        let of_image = self.image.get(&arch).filter(|_| self.can_go_on(arch, client));
        of_image.or_else(built_in).map(String::as_str)
    }

    /// Whether the image's program for `arch` gets further than itself.
    ///
    /// Firmware that booted by HTTP leaves GRUB no TFTP server, and one without `http` ends at its prompt, for good: with no
    /// offer the firmware tries what is next. A GRUB that does not know proxyDHCP asks who gave the address for its menu,
    /// and ends there too. Without an iPXE it has to do: `next-server` there may lead it here.
    fn can_go_on(&self, arch: Arch, client: &Client) -> bool {
        match client.firmware {
            Firmware::HttpBoot => self.speaks_http.contains(&arch),
            Firmware::Pxe if self.is_proxy && arch.is_uefi() => {
                self.knows_proxy.contains(&arch) || !self.built_in.contains_key(&arch)
            }
            _ => true,
        }
    }

    fn no_boot(&self, client: &Client) -> NoBoot {
        let is_there = client.arch.is_some_and(|arch| self.image.contains_key(&arch));
        if is_there { NoBoot::GrubWithoutHttp } else { NoBoot::NoLoader(client.arch) }
    }
}

/// What `client` is told to load first.
pub fn boot_file(site: &Site, programs: &FirstPrograms, client: &Client) -> BootFile {
    match client.firmware {
        Firmware::Ipxe { features } => {
            if features.can_boot_linux_over_http() || client.stage == Stage::Own {
                return BootFile::Url(site.url(Protocol::Http, IPXE_SCRIPT));
            }
            // Built without HTTP or without support for Linux kernels (VirtualBox): a loader of ours can do more.
            match programs.choose(client) {
                Some(name) => BootFile::Name(name.to_owned()),
                None => BootFile::Name(IPXE_SCRIPT.to_owned()),
            }
        }
        Firmware::Pxe => match programs.choose(client) {
            Some(name) => BootFile::Name(name.to_owned()),
            None => BootFile::None(NoBoot::NoLoader(client.arch)),
        },
        Firmware::HttpBoot => match programs.choose(client) {
            Some(name) => BootFile::Url(site.url(Protocol::Http, name)),
            None => BootFile::None(programs.no_boot(client)),
        },
        // U-Boot runs EFI programs (its `bootefi`), and reads PXELINUX's menus where option 209 says so.
        Firmware::UBoot if client.arch == Some(Arch::Arm64UBoot) => {
            named_for(programs, client, Arch::Arm64Uefi)
        }
        Firmware::UBoot | Firmware::RaspberryPi { .. } => BootFile::None(NoBoot::NoLoader(client.arch)),
        // GRUB asks for nothing in particular, says nothing of itself, and keeps the name in a variable.
        Firmware::Other if client.asks_for_boot_file => {
            match named_for(programs, client, client.arch.unwrap_or(Arch::Bios)) {
                BootFile::None(_) => BootFile::None(NoBoot::NotAsked),
                named => named,
            }
        }
        Firmware::Other => BootFile::None(NoBoot::NotAsked),
    }
}

/// The program for another architecture than the client says.
fn named_for(programs: &FirstPrograms, client: &Client, arch: Arch) -> BootFile {
    match programs.choose(&Client { arch: Some(arch), ..client.clone() }) {
        Some(name) => BootFile::Name(name.to_owned()),
        None => BootFile::None(NoBoot::NoLoader(client.arch)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::site;
    use crate::wire::MacAddr;
    use crate::wire::pxe::IpxeFeatures;

    fn client(firmware: Firmware, stage: Stage, arch: Option<Arch>) -> Client {
        Client {
            mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
            uuid: None,
            arch,
            arch_code: 0,
            firmware,
            stage,
            vendor_class: String::new(),
            user_class: String::new(),
            host_name: None,
            asks_for_boot_file: true,
        }
    }

    fn programs() -> FirstPrograms {
        FirstPrograms {
            given: BTreeMap::new(),
            given_ipxe: BTreeSet::new(),
            image: BTreeMap::from([
                (Arch::Bios, "pxelinux.0".to_owned()),
                (Arch::X64Uefi, "EFI/BOOT/BOOTX64.EFI".to_owned()),
            ]),
            speaks_http: BTreeSet::from([Arch::X64Uefi]),
            knows_proxy: BTreeSet::from([Arch::X64Uefi]),
            built_in: BTreeMap::from([
                (Arch::Bios, "undionly.kpxe".to_owned()),
                (Arch::Arm64Uefi, "snponly-arm64.efi".to_owned()),
            ]),
            is_proxy: false,
        }
    }

    #[test]
    fn a_grub_that_does_not_know_proxy_dhcp_gives_way_to_ipxe_beside_another_server() {
        let pxe = client(Firmware::Pxe, Stage::Rom, Some(Arch::X64Uefi));
        let name = |programs: &FirstPrograms| boot_file(&site(80), &programs.beside_another_server(), &pxe);
        let shim = BootFile::Name("EFI/BOOT/BOOTX64.EFI".to_owned());
        assert_eq!(name(&programs()), shim);
        let mut programs = FirstPrograms { knows_proxy: BTreeSet::new(), ..programs() };
        assert_eq!(name(&programs), shim, "there is nothing better");
        programs.built_in.insert(Arch::X64Uefi, "snponly.efi".to_owned());
        assert_eq!(name(&programs), BootFile::Name("snponly.efi".to_owned()));
        let http = client(Firmware::HttpBoot, Stage::Rom, Some(Arch::X64Uefi));
        let url = BootFile::Url("http://192.168.100.1/EFI/BOOT/BOOTX64.EFI".to_owned());
        assert_eq!(
            boot_file(&site(80), &programs.beside_another_server(), &http),
            url,
            "its URL names the server"
        );
        let bios = client(Firmware::Pxe, Stage::Rom, Some(Arch::Bios));
        let pxelinux = BootFile::Name("pxelinux.0".to_owned());
        assert_eq!(boot_file(&site(80), &programs.beside_another_server(), &bios), pxelinux);
    }

    #[test]
    fn what_the_user_gives_comes_before_all_and_never_twice() {
        let mut programs = programs();
        for (arch, name) in [(Arch::Bios, "my.kpxe"), (Arch::X64Uefi, "given/x64/my.efi")] {
            programs.given.insert(arch, name.to_owned());
        }
        programs.given_ipxe.insert(Arch::Bios);
        // Neither http nor proxyDHCP is asked of it.
        (programs.speaks_http, programs.knows_proxy) = (BTreeSet::new(), BTreeSet::new());
        let name = |text: &str| BootFile::Name(text.to_owned());
        let features = IpxeFeatures::from_option(&[]);
        let old_ipxe = client(Firmware::Ipxe { features }, Stage::Ipxe, Some(Arch::Bios));
        for (case, client, expected) in [
            ("BIOS", client(Firmware::Pxe, Stage::Rom, Some(Arch::Bios)), name("my.kpxe")),
            ("the same without HTTP", old_ipxe, name("pxelinux.0")),
            ("UEFI", client(Firmware::Pxe, Stage::Rom, Some(Arch::X64Uefi)), name("given/x64/my.efi")),
            (
                "HTTP Boot",
                client(Firmware::HttpBoot, Stage::Rom, Some(Arch::X64Uefi)),
                BootFile::Url("http://192.168.100.1/given/x64/my.efi".to_owned()),
            ),
            (
                "another kind of machine",
                client(Firmware::Pxe, Stage::Rom, Some(Arch::Arm64Uefi)),
                name("snponly-arm64.efi"),
            ),
        ] {
            assert_eq!(boot_file(&site(80), &programs.beside_another_server(), &client), expected, "{case}");
        }
        assert!(programs.has(Arch::X64Uefi) && !programs.has(Arch::Ia32Uefi));
    }

    #[test]
    fn a_grub_without_http_is_not_started_over_http() {
        let http = client(Firmware::HttpBoot, Stage::Rom, Some(Arch::X64Uefi));
        let mut programs = FirstPrograms { speaks_http: BTreeSet::new(), ..programs() };
        assert_eq!(boot_file(&site(80), &programs, &http), BootFile::None(NoBoot::GrubWithoutHttp));
        programs.built_in.insert(Arch::X64Uefi, "snponly.efi".to_owned());
        let url = BootFile::Url("http://192.168.100.1/snponly.efi".to_owned());
        assert_eq!(boot_file(&site(80), &programs, &http), url);
        let pxe = client(Firmware::Pxe, Stage::Rom, Some(Arch::X64Uefi));
        let name = BootFile::Name("EFI/BOOT/BOOTX64.EFI".to_owned());
        assert_eq!(boot_file(&site(80), &programs, &pxe), name, "by TFTP it goes on");
    }

    #[test]
    fn each_client_is_told_what_it_can_load() {
        let full = IpxeFeatures::from_option(&[19, 1, 1, 24, 1, 1]);
        let none = IpxeFeatures::from_option(&[]);
        let ipxe = |features| Firmware::Ipxe { features };
        let name = |text: &str| BootFile::Name(text.to_owned());
        let url = |text: &str| BootFile::Url(format!("http://192.168.100.1:8080/{text}"));
        let cases = [
            ("BIOS ROM", client(Firmware::Pxe, Stage::Rom, Some(Arch::Bios)), name("pxelinux.0")),
            ("UEFI", client(Firmware::Pxe, Stage::Rom, Some(Arch::X64Uefi)), name("EFI/BOOT/BOOTX64.EFI")),
            (
                "HTTP Boot",
                client(Firmware::HttpBoot, Stage::Rom, Some(Arch::X64Uefi)),
                url("EFI/BOOT/BOOTX64.EFI"),
            ),
            (
                "arm64, nothing on the image",
                client(Firmware::Pxe, Stage::Rom, Some(Arch::Arm64Uefi)),
                name("snponly-arm64.efi"),
            ),
            ("P30 iPXE gets a script", client(ipxe(full), Stage::Ipxe, Some(Arch::Bios)), url("boot.ipxe")),
            ("P31 so does our own", client(ipxe(none), Stage::Own, Some(Arch::Bios)), url("boot.ipxe")),
            ("P32 iPXE without HTTP", client(ipxe(none), Stage::Ipxe, Some(Arch::Bios)), name("pxelinux.0")),
            (
                "no loader",
                client(Firmware::Pxe, Stage::Rom, Some(Arch::Ia32Uefi)),
                BootFile::None(NoBoot::NoLoader(Some(Arch::Ia32Uefi))),
            ),
            (
                "an operating system",
                Client { asks_for_boot_file: false, ..client(Firmware::Other, Stage::Plain, None) },
                BootFile::None(NoBoot::NotAsked),
            ),
            ("D60 GRUB", client(Firmware::Other, Stage::Plain, None), name("pxelinux.0")),
            (
                "P44 U-Boot",
                client(Firmware::UBoot, Stage::Rom, Some(Arch::Arm64UBoot)),
                name("snponly-arm64.efi"),
            ),
            (
                "U-Boot for another machine",
                client(Firmware::UBoot, Stage::Rom, Some(Arch::Arm32UBoot)),
                BootFile::None(NoBoot::NoLoader(Some(Arch::Arm32UBoot))),
            ),
        ];
        for (case, client, expected) in cases {
            assert_eq!(boot_file(&site(8080), &programs(), &client), expected, "{case}");
        }
    }
}
