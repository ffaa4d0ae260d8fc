//! What EDK2 and iPXE do with our replies, by their own rules.

use std::net::Ipv4Addr;

use super::clients::{self, IPXES, PXE_ROMS};
use super::edk2::{self, Offer, OfferType};
use super::ipxe::{self, Discovery, PROXY_WAIT_MS};
use super::lab::{Lab, OTHER_SERVER, SERVER_IP, ip, mac};

/// The offer of a server that knows nothing of PXE; with a boot file if it leaves an old one in.
fn plain_offer(file: &str) -> Vec<u8> {
    let mut bytes = vec![2, 1, 6, 0, 0x39, 0x03, 0xf3, 0x26, 0, 0, 0x80, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&ip(30).octets());
    bytes.resize(28, 0);
    bytes.extend_from_slice(&mac(1).0);
    bytes.resize(108, 0);
    bytes.extend_from_slice(file.as_bytes());
    bytes.resize(236, 0);
    bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, 2, 54, 4]);
    bytes.extend_from_slice(&OTHER_SERVER.octets());
    bytes.extend_from_slice(&[51, 4, 0, 0, 14, 16, 1, 4, 255, 255, 255, 0, 255]);
    bytes.resize(300, 0);
    bytes
}

/// The same as a proxy with these fields in option 43, none of them if empty.
fn proxy_offer(vendor: &[u8]) -> Vec<u8> {
    let mut bytes = plain_offer("proxy.efi");
    bytes[16..20].fill(0);
    bytes[20..24].copy_from_slice(&ip(253).octets());
    bytes.truncate(249);
    bytes.extend_from_slice(b"\x3c\x09PXEClient");
    if !vendor.is_empty() {
        bytes.extend_from_slice(&[43, vendor.len() as u8]);
        bytes.extend_from_slice(vendor);
    }
    bytes.push(255);
    bytes.resize(300, 0);
    bytes
}

fn read(bytes: &[u8]) -> Offer {
    Offer::read(bytes).expect("an offer that EDK2 keeps")
}

#[test]
fn p14_uefi_takes_our_offer_and_loads_the_file_from_us() {
    for (name, recipe) in PXE_ROMS {
        let offer = read(&Lab::new().offer(&recipe(mac(1))).bytes);
        assert_eq!(offer.kind, OfferType::DhcpPxe10, "{name}");
        let file = offer.boot_file.clone().expect("a file");
        let load = edk2::NextStep::Load { server: SERVER_IP, file };
        assert_eq!(edk2::select(std::slice::from_ref(&offer)), Some((0, None, load.clone())), "{name}");
        // It goes before those of servers that know nothing of PXE, and before other proxies.
        let others =
            [read(&plain_offer("")), read(&plain_offer("old")), read(&proxy_offer(b"\x06\x01\x08\xff"))];
        let all = [&others[..], &[offer]].concat();
        assert_eq!(edk2::select(&all), Some((3, None, load)), "{name}");
    }
}

#[test]
fn p15_an_offer_without_class_is_good_enough_when_we_are_alone() {
    let bytes = Lab::new().offer(&clients::uboot(mac(1))).bytes;
    let offer = read(&bytes);
    assert_eq!(offer.kind, OfferType::DhcpOnly);
    let file = offer.boot_file.clone().expect("a file");
    let load = edk2::NextStep::Load { server: SERVER_IP, file };
    assert_eq!(edk2::select(std::slice::from_ref(&offer)), Some((0, None, load)));
}

#[test]
fn the_model_of_edk2_ranks_as_its_source_does() {
    let dhcp = read(&plain_offer(""));
    let stale = read(&plain_offer("old"));
    let pxe10 = read(&proxy_offer(b"\x06\x01\x08\xff"));
    let binl = read(&proxy_offer(b""));
    let kinds = [&dhcp, &pxe10, &binl].map(|offer| offer.kind);
    assert_eq!(kinds, [OfferType::DhcpOnly, OfferType::ProxyPxe10, OfferType::ProxyBinl]);
    let load = |server, file: &str| edk2::NextStep::Load { server, file: file.to_owned() };
    // A proxy alone boots nothing; with an address it goes before a stale file, and Pxe10 before Binl.
    assert_eq!(edk2::select(std::slice::from_ref(&pxe10)), None);
    assert_eq!(edk2::select(std::slice::from_ref(&dhcp)), None);
    let with_proxy = Some((0, Some(1), load(ip(253), "proxy.efi")));
    assert_eq!(edk2::select(&[stale.clone(), pxe10.clone()]), with_proxy);
    let ask = Some((0, Some(1), edk2::NextStep::AskBootServer(ip(253))));
    assert_eq!(edk2::select(&[dhcp.clone(), binl.clone()]), ask);
    assert_eq!(edk2::select(&[dhcp.clone(), binl, pxe10]), Some((0, Some(2), load(ip(253), "proxy.efi"))));
    assert_eq!(edk2::select(&[dhcp, stale.clone()]), Some((1, None, load(OTHER_SERVER, "old"))));
    // Bit 3 and a list of boot servers: the list's first is the TFTP server.
    let listed = read(&proxy_offer(b"\x06\x01\x08\x08\x07\x80\x00\x01\x0a\x00\x00\x09\xff"));
    let elsewhere = Some((0, Some(1), load(Ipv4Addr::new(10, 0, 0, 9), "proxy.efi")));
    assert_eq!(edk2::select(&[stale.clone(), listed]), elsewhere);
    let menu = read(&proxy_offer(b"\x06\x01\x03\x0a\x04\x00PXE\x09\x08\x80\x00\x05pxego\xff"));
    let items = vec![(0x8000, "pxego".to_owned())];
    let shown = Some((0, Some(1), edk2::NextStep::Menu { timeout: 0, items }));
    assert_eq!(edk2::select(&[stale, menu]), shown);
    // No END, an option cut short, no server identifier, too long: not a word.
    let whole = plain_offer("");
    assert_eq!(Offer::read(&whole[..261]), None);
    assert_eq!(Offer::read(&whole[..259]), None);
    let mut nameless = whole.clone();
    nameless[245..249].fill(0);
    assert_eq!(Offer::read(&nameless), None);
    let mut long = whole;
    long.resize(1473, 0);
    assert_eq!(Offer::read(&long), None);
}

#[test]
fn ipxe_leaves_discovery_at_our_first_offer_and_fetches_without_asking_a_proxy() {
    for (name, recipe) in IPXES {
        let mut lab = Lab::new();
        let discover = recipe(mac(1));
        let offer = lab.offer(&discover);
        let mut discovery = Discovery::default();
        assert!(discovery.hear(&offer.bytes, offer.source_port, 1), "{name}");
        assert_eq!(discovery.chosen(), Some((offer.message.yiaddr, SERVER_IP)), "{name}");
        let ack = lab.ack(&discover.selecting(&offer.message));
        let load = ipxe::NextStep::Load("http://192.168.77.1/boot.ipxe".to_owned());
        assert_eq!(discovery.acknowledged(&ack.bytes, ack.source_port), Some(load), "{name}");
    }
}

#[test]
fn the_model_of_ipxe_waits_for_a_proxy_as_its_source_does() {
    let mut discovery = Discovery::default();
    assert!(!discovery.hear(&plain_offer(""), 67, 5), "no proxy heard yet");
    assert!(!discovery.is_over(PROXY_WAIT_MS));
    assert!(discovery.is_over(PROXY_WAIT_MS + 1));
    assert!(!discovery.hear(&proxy_offer(b""), 4011, 10), "from another port it is not heard");
    assert!(discovery.hear(&proxy_offer(b""), 67, 10));
    assert_eq!(discovery.chosen(), Some((ip(30), OTHER_SERVER)));
    let mut ack = plain_offer("");
    ack[242] = 5;
    let load = ipxe::NextStep::Load("proxy.efi".to_owned());
    assert_eq!(discovery.acknowledged(&ack, 67), Some(load));
    assert_eq!(discovery.acknowledged(&ack, 68), None);
    // A proxy that names no file is asked on 4011.
    let mut fileless = proxy_offer(b"\x06\x01\x08\xff");
    fileless[108..236].fill(0);
    let mut discovery = Discovery::default();
    discovery.hear(&plain_offer("old"), 67, 5);
    assert!(discovery.hear(&fileless, 67, 10));
    assert_eq!(discovery.acknowledged(&ack, 67), Some(ipxe::NextStep::AskProxy(ip(253))));
    let mut alone = Discovery::default();
    assert!(!alone.hear(&fileless, 67, 5000), "a proxy gives no address");
}
