use super::*;
use crate::answer::Circumstances;
use crate::answer::answers::Answer;
use crate::answer::answers::tests::circumstances;
use crate::boot::plan::tests::{site, site_of_two};
use crate::content::Protocol;
use crate::image::FileData;
use crate::image::testing::Paths;
use std::collections::HashMap;
use std::net::Ipv4Addr;

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
const MACHINE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 100);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 7);

fn files(names: &'static [&'static str]) -> Unpack {
    Box::new(move || Ok(names.iter().map(|name| ((*name).to_owned(), name.as_bytes().into())).collect()))
}

fn tree(paths: &[&str]) -> Tree {
    Tree {
        whole: Some(FileData::from_bytes(b"the image".to_vec())),
        files: Arc::new(Paths::new(paths)),
        stage2: Some("images/install.img".into()),
        second_stages: BTreeMap::from([("grubx64.efi".to_owned(), "EFI/BOOT/grubx64.efi".to_owned())]),
        circumstances: Some(circumstances()),
    }
}

fn catalog_of(site: Site, trees: Vec<Tree>) -> Catalog {
    let mut machines = Registry::new(|| 0xabc);
    machines.bind(MAC, MACHINE, 0);
    Catalog::new(Parts {
        site,
        trees,
        answers: answer::Answers::new(
            Answer::parse("ks.cfg", b"text\n".to_vec()).ok(),
            HashMap::new(),
            false,
        ),
        bios: Some(files(&["pxelinux.0", "ldlinux.c32", "menu.c32", "libutil.c32"])),
        embedded: BTreeMap::from([("undionly.kpxe".to_owned(), files(&["undionly.kpxe"]))]),
        machines: Arc::new(Mutex::new(machines)),
        started: 7,
    })
}

fn catalog() -> Catalog {
    let paths = [
        ".treeinfo",
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/BOOT/grub.cfg",
        "EFI/BOOT/grubx64.efi",
        "Packages/A.rpm",
        "Packages/a.rpm",
        "images/install.img",
        "images/pxeboot/initrd.img",
        "images/pxeboot/vmlinuz",
        "isolinux/boot.msg",
        "isolinux/splash.lss",
        "isolinux/vesamenu.c32",
        "pxelinux.0",
        "t/el8/file",
    ];
    let mut site = site(80);
    site.images[0].menu =
        Some(crate::media::Menu { path: "isolinux/isolinux.cfg".into(), ..Default::default() });
    catalog_of(site, vec![tree(&paths)])
}

/// Two images; each of their files holds its own path, which tells the image.
fn catalog_of_two() -> Catalog {
    let paths = [
        "EFI/BOOT/BOOTX64.EFI",
        "EFI/BOOT/grubx64.efi",
        "images/pxeboot/vmlinuz",
        "images/pxeboot/initrd.img",
    ];
    let files = |image: &str| {
        let texts: Vec<(&str, String)> =
            paths.iter().map(|path| (*path, format!("{image} {path}"))).collect();
        let texts: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let circumstances =
            Circumstances { tree: format!("http://192.168.100.1/t/el{image}"), ..circumstances() };
        Tree { files: Arc::new(Paths::with_texts(&texts)), circumstances: Some(circumstances), ..tree(&[]) }
    };
    catalog_of(site_of_two(), vec![files("9"), files("7")])
}

fn found(name: &str, peer: Ipv4Addr, protocol: Protocol) -> Option<(String, Role)> {
    found_in(&catalog(), name, peer, protocol)
}

fn found_in(catalog: &Catalog, name: &str, peer: Ipv4Addr, protocol: Protocol) -> Option<(String, Role)> {
    found_with(catalog, name, peer, protocol, &[])
}

fn found_with(
    catalog: &Catalog,
    name: &str,
    peer: Ipv4Addr,
    protocol: Protocol,
    cards: &[MacAddr],
) -> Option<(String, Role)> {
    match catalog.find(&Request { name: name.as_bytes(), peer, protocol, serial: None, cards }) {
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
fn an_image_is_also_served_as_one_file() {
    let expected = Some(("the image".to_owned(), Role::Stage2));
    assert_eq!(found("i/el9.iso", STRANGER, Protocol::Http), expected);
    assert_eq!(found_in(&catalog_of_two(), "i/el7.iso", STRANGER, Protocol::Http), expected);
    for name in ["i/el9", "i/el8.iso", "i/.iso", "i/el9.iso/x"] {
        assert_eq!(found(name, STRANGER, Protocol::Http), None, "{name}");
    }
}

#[test]
fn cloud_init_finds_its_directory() {
    let catalog = catalog();
    let token = catalog.machines().by_mac(MAC).map(|machine| machine.token.clone()).expect("a machine");
    let answer = |name: &str| found_in(&catalog, &format!("ks/{token}/{name}"), MACHINE, Protocol::Http);
    assert_eq!(answer("user-data"), answer("ks.cfg"));
    assert!(answer("user-data").is_some());
    for name in ["meta-data", "vendor-data"] {
        assert_eq!(answer(name), Some((String::new(), Role::Answer)), "{name}");
    }
    assert_eq!(answer("network-config"), None);
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
    assert!(found("t/el9", STRANGER, Protocol::Http).is_some_and(|(names, _)| names.contains(".treeinfo")));
    assert_eq!(found("nothing", STRANGER, Protocol::Http), None);
}

#[test]
fn what_is_made_wins_over_the_image() {
    assert_eq!(found("pxelinux.0", MACHINE, Protocol::Tftp), Some(("pxelinux.0".into(), Role::Loader)));
    assert_eq!(found("ldlinux.c32", MACHINE, Protocol::Tftp), Some(("ldlinux.c32".into(), Role::Loader)));
    assert_eq!(found("undionly.kpxe", MACHINE, Protocol::Tftp), Some(("undionly.kpxe".into(), Role::Loader)));
    assert_eq!(
        found("isolinux/vesamenu.c32", MACHINE, Protocol::Http),
        Some(("isolinux/vesamenu.c32".into(), Role::Other))
    );
}

#[test]
fn c07_c08_menus_are_answered_in_any_directory() {
    for name in [
        "pxelinux.cfg/default",
        "pxelinux.cfg/01-52-54-00-00-00-01",
        "any/where/pxelinux.cfg/C0A8",
        "grub.cfg",
        "EFI/BOOT/grub.cfg",
        "t/el9/EFI/BOOT/grub.cfg",
        "grub/x86_64-efi/grub.cfg-01-52-54-00-00-00-01",
        "boot.ipxe",
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
fn c10_ipxe_finds_no_script_before_it_has_an_address() {
    for name in ["autoexec.ipxe", "EFI/BOOT/autoexec.ipxe", "t/el9/AUTOEXEC.IPXE"] {
        for protocol in [Protocol::Tftp, Protocol::Http] {
            assert_eq!(found(name, MACHINE, protocol), None, "{name}");
        }
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
    assert_eq!(found(name, STRANGER, Protocol::Http), None);
    for name in ["ks", "ks/ks.cfg", "ks/abc/ks.cfg", "ks/00000000000000000000000000000abc", "ks.cfg"] {
        assert_eq!(found(name, MACHINE, Protocol::Http), None, "{name}");
    }
    for name in ["pxelinux.cfg/default", "pxelinux.cfg/01-52-54-00-00-00-01", "grub.cfg"] {
        let (menu, _) = found(name, STRANGER, Protocol::Tftp).expect("a menu");
        assert!(!menu.contains("inst.ks="), "{menu}");
    }
}

#[test]
fn pictures_of_the_images_screens_are_found_where_pxelinux_looks() {
    let picture = ("isolinux/splash.lss".to_owned(), Role::Other);
    assert_eq!(found("splash.lss", MACHINE, Protocol::Tftp), Some(picture));
    assert_eq!(
        found("t/el9/isolinux/boot.msg", MACHINE, Protocol::Tftp).map(|(text, _)| text).as_deref(),
        Some("isolinux/boot.msg")
    );
    for name in ["boot.msg", "any/splash.lss", "isolinux.cfg"] {
        assert_eq!(found(name, MACHINE, Protocol::Tftp), None, "{name}");
    }
    let (help, role) = found("pxego/help.msg", MACHINE, Protocol::Tftp).expect("our own");
    assert!(help.contains("  ks ") && role == Role::Menu, "{help}");
}

#[test]
fn with_several_images_only_their_names_lead_to_them() {
    let catalog = catalog_of_two();
    let find = |name: &str| found_in(&catalog, name, STRANGER, Protocol::Http).map(|(text, _)| text);
    assert_eq!(find("t/el9/images/pxeboot/vmlinuz").as_deref(), Some("9 images/pxeboot/vmlinuz"));
    assert_eq!(find("t/el7/images/pxeboot/VMLINUZ").as_deref(), Some("7 images/pxeboot/vmlinuz"));
    assert_eq!((find("").as_deref(), find("t").as_deref()), (Some("t"), Some("el7 el9")));
    for name in ["images/pxeboot/vmlinuz", "t/el8/images", "t/el", "t/el99", "el9"] {
        assert_eq!(find(name), None, "{name}");
    }
}

#[test]
fn each_image_has_its_kickstart() {
    let catalog = catalog_of_two();
    let find = |name: &str| {
        let name = format!("ks/00000000000000000000000000000abc/{name}");
        found_in(&catalog, &name, MACHINE, Protocol::Http).map(|(text, _)| text)
    };
    assert_eq!(find("el7/ks.cfg").as_deref(), Some("url --url=http://192.168.100.1/t/el7\ntext\n"));
    assert_eq!(find("el9/ks.cfg").as_deref(), Some("url --url=http://192.168.100.1/t/el9\ntext\n"));
    for name in ["ks.cfg", "el8/ks.cfg", "el9/x/ks.cfg", "/ks.cfg"] {
        assert_eq!(find(name), None, "{name}");
    }
}

/// What a machine under Secure Boot goes through that chose the kernel of another vendor.
#[test]
fn a_machine_is_led_to_the_loader_of_the_image_that_it_chose() {
    let catalog = catalog_of_two();
    let find = |name: &str| found_in(&catalog, name, MACHINE, Protocol::Tftp).map(|(text, _)| text);
    let machine = || catalog.machines().by_ip(MACHINE).cloned().expect("a machine");
    assert_eq!(find("t/el9/EFI/BOOT/BOOTX64.EFI").as_deref(), Some("9 EFI/BOOT/BOOTX64.EFI"));
    assert_eq!(find("grubx64.efi").as_deref(), Some("9 EFI/BOOT/grubx64.efi"));
    // Debian's GRUB asks where every image's would.
    let menu = find("grub/grub.cfg").expect("a menu");
    assert!(
        menu.contains("set default=local") && menu.contains("if linux '(tftp,192.168.100.1)/t/el7/"),
        "{menu}"
    );
    assert!(!menu.contains("if linux '(tftp,192.168.100.1)/t/el9/"), "{menu}");
    find("t/el7/images/pxeboot/vmlinuz").expect("what it will not take");
    let answer = find("pick/el7-text/grub.cfg").expect("an answer");
    assert!(answer.ends_with("reboot\n"), "{answer}");
    assert_eq!(machine().pick.as_deref(), Some("el7-text"));

    assert_eq!(find("t/el7/EFI/BOOT/BOOTX64.EFI").as_deref(), Some("7 EFI/BOOT/BOOTX64.EFI"));
    assert_eq!(find("any/grubx64.efi").as_deref(), Some("7 EFI/BOOT/grubx64.efi"));
    let menu = find("grub/grub.cfg").expect("a menu");
    assert!(menu.starts_with("set timeout=3\nset default=el7-text\n"), "{menu}");
    assert!(menu.contains("\n  linuxefi '(tftp,192.168.100.1)/t/el7/"), "{menu}");
    find("t/el7/images/pxeboot/vmlinuz").expect("which it takes now");
    assert_eq!(machine().pick, None);
    for name in ["pick/el8/grub.cfg", "pick/local/grub.cfg", "pick/el7/other", "pick/"] {
        assert_eq!(find(name), None, "{name}");
    }
    assert_eq!(found_in(&catalog, "pick/el7/grub.cfg", STRANGER, Protocol::Tftp), None);
}

#[test]
fn pxelinux_gets_a_menu_when_its_module_is_unpacked() {
    let catalog = catalog_of_two();
    let menu = || found_in(&catalog, "pxelinux.cfg/default", MACHINE, Protocol::Tftp).expect("a menu").0;
    assert!(menu().starts_with("DEFAULT local\nPROMPT 1\n"));
    catalog.prepare_bios().expect("is unpacked");
    assert!(menu().starts_with("DEFAULT menu.c32\nPROMPT 0\n"));
}

/// A machine whose installer asks from its second card.
#[test]
fn s12_a_kickstart_goes_to_another_card_of_the_machine_and_to_nobody_else() {
    let name = format!("ks/{:032x}/ks.cfg", 0xabc);
    let (second, neighbour) = (MacAddr([0x52, 0x54, 0, 0, 0, 2]), MacAddr([0x52, 0x54, 0, 0, 0, 3]));
    let (at_second, at_neighbour) = (Ipv4Addr::new(192, 168, 100, 101), Ipv4Addr::new(192, 168, 100, 102));
    let catalog = || {
        let list = b"mac,name\n52:54:00:00:00:01,node01\n52:54:00:00:00:03,node03\n";
        let list = crate::machine::MachineList::parse(list).expect("a list");
        let policy = crate::machine::Policy { list, ..Default::default() };
        let catalog = catalog();
        let mut machines = Registry::new(|| 0xabc).with(policy, Vec::new());
        for (mac, ip) in [(MAC, MACHINE), (neighbour, at_neighbour), (second, at_second)] {
            machines.bind(mac, ip, 0);
        }
        // Of equal secrets the first is found; only the machine's own may be.
        for (mac, token) in [(neighbour, 3), (second, 2)] {
            machines.by_mac_mut(mac).expect("a machine").token = format!("{token:032x}");
        }
        *catalog.machines() = machines;
        catalog
    };
    let fetched = |catalog: &Catalog, peer, protocol, cards: &[MacAddr]| {
        found_with(catalog, &name, peer, protocol, cards).is_some()
    };
    let http = Protocol::Http;
    for (peer, cards, what) in [
        (at_second, &[][..], "says nothing"),
        (at_second, &[second], "does not name the card that the file is for"),
        (at_second, &[MAC], "does not name the card that it asks from"),
        (at_neighbour, &[MAC, neighbour], "is a machine of its own"),
        (at_neighbour, &[MAC, second], "has made up its cards"),
        (STRANGER, &[MAC, second], "has made up its address"),
    ] {
        assert!(!fetched(&catalog(), peer, http, cards), "who {what}");
    }
    let catalog = catalog();
    assert!(!fetched(&catalog, at_second, Protocol::Tftp, &[MAC, second]));
    for _ in 0..2 {
        assert!(fetched(&catalog, at_second, http, &[MAC, second]), "anaconda fetches it twice");
    }
    assert_eq!(catalog.machines().by_ip(at_second).map(|machine| machine.mac), Some(MAC));
    assert!(fetched(&catalog, MACHINE, http, &[]), "the first card has it all the same");
}
