//! Option 12: what a machine is called (RFC 2132 §3.14).

use crate::boot::boot_file::{BootFile, BootInfo};
use crate::boot::client::Client;
use crate::dhcp::Mode;

use super::lab::{Lab, boot_file, config, mac};
use super::packet::Packet;

/// Every machine is called so.
struct Called(&'static str);

impl BootInfo for Called {
    fn boot_file(&self, client: &Client) -> BootFile {
        boot_file(client)
    }

    fn host_name(&self, _client: &Client) -> Option<String> {
        Some(self.0.to_owned())
    }
}

/// Option 12 of the offer, and the whole offer's length.
fn name_in(lab: &mut Lab, packet: &Packet, name: &'static str) -> (Option<Vec<u8>>, usize) {
    let (_, sent) = lab.send_with(packet, &Called(name));
    let sent = sent.expect("an offer");
    (sent.message.option(12).map(<[u8]>::to_vec), sent.message.len)
}

#[test]
fn who_asks_for_its_name_is_told_and_nobody_else() {
    let mut lab = Lab::new();
    let discover = Packet::discover(mac(1));
    let name = || Some(b"node01.example.com".to_vec());
    let mut told = |packet: &Packet| name_in(&mut lab, packet, "node01.example.com").0;
    // NetworkManager and dhclient list it; a ROM does not; who lists nothing takes what there is.
    assert_eq!(told(&discover.clone().option(55, &[1, 3, 6, 12, 15])), name());
    assert_eq!(told(&discover.clone().option(55, &[1, 3, 6, 66, 67])), None);
    assert_eq!(told(&discover), name());
    let (_, unnamed) = lab.send(&discover.option(55, &[1, 12]));
    assert_eq!(unnamed.expect("an offer").message.option(12), None);
}

#[test]
fn a_name_that_has_no_room_is_left_out() {
    let name: &str = Box::leak(vec!["a23456789"; 25].join(".").into_boxed_str());
    let discover =
        Packet::discover(mac(1)).option(60, b"PXEClient:Arch:00007:UNDI:003016").option(93, &[0, 7]);
    let discover = discover.option(55, &[1, 3, 12, 43, 60, 66, 67]).option(61, &[0xff; 200]);
    let (told, len) = name_in(&mut Lab::new(), &discover, name);
    assert!(told.is_none() && len <= 548, "{told:?} in {len} bytes");
    let (told, _) = name_in(&mut Lab::new(), &discover.option(57, &[5, 0xc0]), name);
    assert_eq!(told.as_deref(), Some(name.as_bytes()));
}

#[test]
fn beside_another_server_names_are_its_business() {
    let mut lab = Lab::with(crate::dhcp::server::ServerConfig { mode: Mode::Proxy, ..config() });
    let discover =
        Packet::discover(mac(1)).option(60, b"PXEClient:Arch:00000:UNDI:002001").option(55, &[1, 12, 60]);
    assert_eq!(name_in(&mut lab, &discover, "node01").0, None);
}
