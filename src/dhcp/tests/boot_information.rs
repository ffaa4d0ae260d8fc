//! What to boot: every copy of it, because each client reads another one.

use crate::boot::boot_file::{BootFile, NoBoot};
use crate::boot::client::Client;

use super::clients::{self, IPXES, PLAIN, PXE_ROMS};
use super::lab::{Boot, Lab, SERVER_IP, Sent, mac};
use super::packet::Packet;

/// OFFER and ACK of a client.
fn both(packet: &Packet) -> [Sent; 2] {
    let mut lab = Lab::new();
    let offer = lab.offer(packet);
    let ack = lab.ack(&packet.selecting(&offer.message));
    [offer, ack]
}

#[test]
fn p05_p06_p08_all_copies_of_the_boot_file_agree() {
    for (name, recipe) in PXE_ROMS.into_iter().chain(IPXES) {
        for sent in both(&recipe(mac(1))) {
            let reply = &sent.message;
            let file = match &sent.boot_file {
                BootFile::Name(file) | BootFile::Url(file) => file.clone(),
                BootFile::None(why) => panic!("{name}: {why}"),
            };
            assert_eq!((reply.siaddr, reply.ipv4(54)), (SERVER_IP, Some(SERVER_IP)), "{name}");
            assert_eq!(reply.file_name(), file, "{name}");
            assert_eq!(reply.file[file.len()..], vec![0; 128 - file.len()], "{name}");
            // 67 has its NUL inside its length, 66 has none.
            assert_eq!(reply.text(67), Some(format!("{file}\0")), "{name}");
            assert_eq!(reply.option(66), Some(&b"192.168.77.1"[..]), "{name}");
        }
    }
}

#[test]
fn p07_a_zero_byte_follows_options_60_and_67() {
    for (name, recipe) in PXE_ROMS.into_iter().chain(IPXES).chain([("HTTP", clients::ovmf_http as _)]) {
        for sent in both(&recipe(mac(1))) {
            let followed = |code| {
                let option = sent.message.options.iter().find(|option| option.code == code);
                option.is_some_and(|option| option.pads_after > 0)
            };
            assert!(followed(60) && followed(67), "{name}");
        }
    }
}

/// A URL of so many characters.
fn url<const LENGTH: usize>(_: &Client) -> BootFile {
    BootFile::Url(format!("http://192.168.77.1/{}", "x".repeat(LENGTH - 20)))
}

fn name<const LENGTH: usize>(_: &Client) -> BootFile {
    BootFile::Name("n".repeat(LENGTH))
}

#[test]
fn p09_a_long_url_goes_where_it_fits_or_nowhere() {
    let cases: [(Boot, usize, usize); 4] = [
        (url::<127>, 127, 128),
        (url::<128>, 0, 129),
        (url::<254>, 0, 255),
        // One more, and its NUL has no place.
        (url::<255>, 0, 0),
    ];
    for (boot, in_file, in_67) in cases {
        for recipe in [clients::ipxe_efi, clients::ovmf_http] {
            let sent = Lab { boot, ..Lab::new() }.offer(&recipe(mac(1)));
            assert_eq!(sent.message.file_name().len(), in_file);
            assert_eq!(sent.message.option(67).map_or(0, <[u8]>::len), in_67);
            assert_eq!(sent.boot_file == BootFile::None(NoBoot::NameTooLong), in_67 == 0);
        }
    }
}

#[test]
fn p35_what_ipxe_fills_in_itself_goes_to_it_as_it_is() {
    const TEMPLATE: &str = "http://192.168.77.1/boot.ipxe?mac=${net0/mac}&name=${hostname:uristring}";
    let sent =
        Lab { boot: |_| BootFile::Url(TEMPLATE.to_owned()), ..Lab::new() }.offer(&clients::ipxe_rom(mac(1)));
    assert_eq!(sent.message.file_name(), TEMPLATE);
}

#[test]
fn p09_a_long_name_is_not_sent_to_firmware_that_cannot_read_it() {
    let cases: [(Boot, bool); 2] = [(name::<127>, true), (name::<128>, false)];
    for (boot, fits) in cases {
        let sent = Lab { boot, ..Lab::new() }.offer(&clients::ovmf_pxe(mac(1)));
        assert_eq!(sent.message.option(67).is_some(), fits);
        assert_eq!(sent.boot_file == BootFile::None(NoBoot::NameTooLong), !fits);
        assert!(!sent.message.yiaddr.is_unspecified(), "the address is offered all the same");
    }
}

#[test]
fn a_name_that_would_end_early_or_says_nothing_is_not_sent() {
    let boots: [Boot; 2] = [|_| BootFile::Name(String::new()), |_| BootFile::Name("a\0b".to_owned())];
    for boot in boots {
        let sent = Lab { boot, ..Lab::new() }.offer(&clients::ovmf_pxe(mac(1)));
        assert_eq!(sent.boot_file, BootFile::None(NoBoot::NameTooLong));
        assert_eq!((sent.message.option(67), sent.message.file_name().as_str()), (None, ""));
    }
}

#[test]
fn p10_p11_pxe_clients_are_told_to_load_the_file_without_a_menu() {
    for (name, recipe) in PXE_ROMS.into_iter().chain(IPXES) {
        for sent in both(&recipe(mac(1))) {
            assert_eq!(sent.message.option(60), Some(&b"PXEClient"[..]), "{name}");
            assert_eq!(sent.message.option(43), Some(&[6, 1, 8, 255][..]), "{name}");
        }
    }
}

#[test]
fn p12_p45_nobody_gets_the_class_or_the_vendor_options_of_another() {
    for (name, recipe) in clients::all() {
        let packet = recipe(mac(1));
        let class = packet.get(60).unwrap_or_default().to_vec();
        for sent in both(&packet) {
            let reply = &sent.message;
            if class.starts_with(b"PXEClient") {
                assert_eq!(reply.option(60), Some(&b"PXEClient"[..]), "{name}");
            } else if class.starts_with(b"HTTPClient") {
                assert_eq!(reply.option(60), Some(&b"HTTPClient"[..]), "{name}");
                assert_eq!(reply.option(43), None, "{name}");
            } else {
                assert_eq!((reply.option(60), reply.option(43)), (None, None), "{name}");
            }
        }
    }
}

#[test]
fn p04_the_uuid_comes_back_to_pxe_clients_when_it_is_one() {
    let rom = clients::bios_rom(mac(1));
    for sent in both(&rom) {
        assert_eq!(sent.message.option(97), Some(&clients::UUID_OPTION[..]));
    }
    for sent in both(&rom.clone().without(97)) {
        assert_eq!((sent.message.option(97), sent.message.text(60).as_deref()), (None, Some("PXEClient")));
    }
    for wrong in [&[0; 16][..], &[0; 18], &[1; 17], &[]] {
        for sent in both(&rom.clone().option(97, wrong)) {
            assert_eq!(sent.message.option(97), None);
            assert!(sent.message.option(67).is_some());
        }
    }
}

#[test]
fn p02_p03_a14_odd_architectures_are_served_by_what_can_be_read() {
    let rom = clients::ovmf_pxe(mac(1));
    let file = |packet: Packet| Lab::new().offer(&packet).message.file_name();
    assert_eq!(file(rom.clone().option(93, &[0, 7, 0, 11])), "shimx64.efi");
    assert_eq!(file(rom.clone().option(93, &[0, 11, 0])), "shimaa64.efi");
    // 93 goes before the digits in 60, and those count when 93 cannot be read.
    assert_eq!(file(rom.clone().option(93, &[0, 11])), "shimaa64.efi");
    assert_eq!(file(rom.clone().option(93, &[7])), "shimx64.efi");
    assert_eq!(file(rom.clone().without(93)), "shimx64.efi");
    assert_eq!(file(rom.without(93).option(60, b"PXEClient")), "undionly.kpxe");
}

#[test]
fn p16_p13_no_offer_with_a_class_leaves_the_control_or_the_server_open() {
    for (name, recipe) in clients::all() {
        for sent in both(&recipe(mac(1))) {
            let reply = &sent.message;
            let tags: Vec<u8> =
                fields(reply.option(43).unwrap_or_default()).iter().map(|field| field.0).collect();
            if reply.option(60) == Some(&b"PXEClient"[..]) {
                assert!(tags.iter().any(|tag| (6..=10).contains(tag)), "{name}: {tags:?}");
            }
            // No list of boot servers: the server is siaddr (EDK2 would take the list's first).
            assert!(!tags.contains(&8), "{name}: {tags:?}");
        }
    }
}

/// Tag and bytes of what is in option 43.
fn fields(option: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut fields = Vec::new();
    let mut rest = option;
    while let [tag, len, tail @ ..] = rest {
        let (data, tail) = tail.split_at(usize::from(*len));
        fields.push((*tag, data.to_vec()));
        rest = tail;
    }
    assert!(matches!(rest, [] | [255]), "{option:?} does not end with 255");
    fields
}

#[test]
fn p39_options_of_other_vendors_are_never_sent_even_when_asked_for() {
    let list: Vec<u8> = (1..=254).collect();
    for (name, recipe) in clients::all() {
        for sent in both(&recipe(mac(1)).option(55, &list)) {
            let codes = sent.message.codes();
            assert!(!codes.iter().any(|code| matches!(code, 128..=135 | 150 | 208)), "{name}: {codes:?}");
            assert!(!codes.iter().any(|code| matches!(code, 13 | 108 | 121)), "{name}: {codes:?}");
        }
    }
}

#[test]
fn p38_a_client_that_asks_for_208_is_served_without() {
    let packet = clients::gpxelinux(mac(1));
    assert!(packet.get(55).is_some_and(|list| list.contains(&208)));
    for sent in both(&packet) {
        assert_eq!(sent.message.option(208), None);
        assert_eq!(sent.message.file_name(), "http://192.168.77.1/boot.ipxe");
    }
}

#[test]
fn p44_uboot_gets_server_and_file_without_classes() {
    for (class, arch) in [(&b"U-Boot.armv8"[..], 0x16), (b"U-Boot.armv7", 0x15), (b"U-Boot", 0xffff_u16)] {
        let packet = clients::uboot(mac(1)).option(60, class).option(93, &arch.to_be_bytes());
        for sent in both(&packet) {
            let reply = &sent.message;
            assert_eq!((reply.siaddr, reply.file_name().as_str()), (SERVER_IP, "boot.scr.uimg"));
            assert_eq!((reply.option(60), reply.option(43)), (None, None));
        }
    }
}

#[test]
fn p37_who_reads_pxelinux_menus_is_told_where_if_it_asks() {
    let menu = b"pxelinux.cfg/01-52-54-00-00-00-01";
    let asks = clients::uboot(mac(1)).option(55, &[1, 3, 67, 209, 210]);
    let petitboot = clients::bios_rom(mac(1)).option(93, &[0, 14]).option(55, &[1, 3, 67, 209, 210]);
    for sent in both(&asks).into_iter().chain(both(&petitboot)) {
        assert_eq!(sent.message.option(209), Some(&menu[..]));
        assert!(sent.message.option(210).is_some_and(|prefix| prefix.ends_with(b"/")));
    }
    // Not asked for; and PXELINUX itself finds its menu wherever it looks.
    let others = [
        clients::uboot(mac(1)).option(55, &[1, 3, 67]),
        clients::bios_rom(mac(1)).option(55, &[1, 209, 210]),
    ];
    for sent in others.iter().flat_map(both) {
        assert_eq!((sent.message.option(209), sent.message.option(210)), (None, None));
    }
}

#[test]
fn p48_the_boot_server_says_the_same_as_the_ack() {
    for recipe in [clients::bios_rom, clients::ovmf_pxe, clients::aavmf_pxe, clients::ia32_pxe] {
        let mut lab = Lab::new();
        let ack = lab.lease(&recipe(mac(1))).message;
        let boot = lab.boot_ack(&recipe(mac(1)).boot_server(ack.yiaddr)).message;
        assert_eq!((boot.siaddr, boot.file_name()), (ack.siaddr, ack.file_name()));
        for code in [54, 60, 66, 67, 97] {
            assert_eq!(boot.option(code), ack.option(code), "{code}");
        }
    }
}

#[test]
fn h01_h03_uefi_http_boot_finds_its_url_in_offer_and_ack() {
    let [offer, ack] = both(&clients::ovmf_http(mac(1))).map(|sent| sent.message);
    for reply in [&offer, &ack] {
        assert_eq!(reply.option(60), Some(&b"HTTPClient"[..]));
        assert_eq!(reply.text(67).as_deref(), Some("http://192.168.77.1/boot/shimx64.efi\0"));
        assert_eq!(reply.file_name(), "http://192.168.77.1/boot/shimx64.efi");
    }
    assert_eq!(offer.option(67), ack.option(67));
}

#[test]
fn a_file_of_the_wrong_kind_is_kept_back_and_named() {
    let mut lab = Lab { boot: |_| BootFile::Name("shimx64.efi".to_owned()), ..Lab::new() };
    let sent = lab.offer(&clients::ovmf_http(mac(1)));
    assert_eq!(sent.boot_file, BootFile::None(NoBoot::WrongTransport));
    // Without a URL this would be an offer that EDK2 drops; so it is a plain one.
    assert_eq!((sent.message.option(60), sent.message.option(67)), (None, None));
    let mut lab = Lab { boot: |_| BootFile::Url("http://192.168.77.1/x".to_owned()), ..Lab::new() };
    let sent = lab.offer(&clients::ovmf_pxe(mac(1)));
    assert_eq!(sent.boot_file, BootFile::None(NoBoot::WrongTransport));
    assert_eq!((sent.message.option(60), sent.message.option(67)), (None, None));
}

#[test]
fn a13_without_a_loader_there_is_an_address_and_no_boot_information() {
    let mut lab = Lab { boot: |client| BootFile::None(NoBoot::NoLoader(client.arch)), ..Lab::new() };
    for (name, recipe) in clients::all() {
        let sent = lab.offer(&recipe(mac(1)));
        let reply = &sent.message;
        assert!(!reply.yiaddr.is_unspecified(), "{name}");
        assert!(reply.siaddr.is_unspecified() && reply.file_name().is_empty(), "{name}");
        for code in [43, 60, 66, 67, 175] {
            assert_eq!(reply.option(code), None, "{name}: option {code}");
        }
        assert!(matches!(sent.boot_file, BootFile::None(NoBoot::NoLoader(_) | NoBoot::NotAsked)), "{name}");
    }
}

#[test]
fn plain_clients_get_boot_information_only_when_they_ask() {
    for (name, recipe) in PLAIN {
        let packet = recipe(mac(1));
        let asks = packet.get(55).is_none_or(|list| [66, 67, 17].iter().any(|code| list.contains(code)));
        for sent in both(&packet) {
            let is_told = !sent.message.siaddr.is_unspecified();
            assert_eq!(is_told, asks, "{name}");
            assert_eq!(sent.message.option(67).is_some(), asks, "{name}");
            assert_eq!(sent.boot_file == BootFile::None(NoBoot::NotAsked), !asks, "{name}");
        }
    }
}
