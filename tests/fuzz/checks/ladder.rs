//! What is remembered of offers that worked: whatever stands in the file, it is bounded, it makes the round trip, and it is
//! what a machine is offered.

use std::time::Duration;

use pxego::boot::client::Client;
use pxego::dhcp::Mode;
use pxego::dhcp::ladder::{Ladder, Shape};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::{BOOT_REQUEST, Message};
use pxego::wire::dhcp_option::Code;

/// Lines that are tried with a machine: more of the same find nothing.
const TRIED: usize = 8;

/// Reads `data` as the file, if it is text: the state directory gives nothing else.
pub fn ladder(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = Ladder::restore(text).to_lines();
    assert!(lines.lines().count() <= text.lines().count().min(8192));
    assert!(lines.lines().all(|line| line.len() <= 64 && line.is_ascii()), "{lines}");
    assert_eq!(Ladder::restore(&lines).to_lines(), lines);
    for line in lines.lines().take(TRIED) {
        let words: Vec<&str> = line.split(' ').collect();
        let [who, mode, shape] = words[..] else { panic!("not as it is documented: {line}") };
        let mode = if mode == "proxy" { Mode::Proxy } else { Mode::Full };
        let mac: MacAddr = match who.parse() {
            Ok(mac) => mac,
            // For all machines of a kind: whether it holds for one depends on what else is remembered.
            Err(_) => continue,
        };
        let client = pxe_client(mac);
        let shapes = Shape::for_client(&client, mode);
        let (offered, rung) = Ladder::restore(&lines).offer(&client, mode, 0, Duration::ZERO);
        let is_possible = shapes.iter().any(|other| other.key() == shape);
        assert_eq!(offered.key(), if is_possible { shape } else { shapes[0].key() }, "{line}");
        assert_eq!(rung, None, "nothing was ignored yet");
    }
}

/// A PXE ROM of x64 UEFI.
fn pxe_client(mac: MacAddr) -> Client {
    let mut message = Message::new(BOOT_REQUEST);
    message.chaddr[..6].copy_from_slice(&mac.0);
    message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003016");
    message.options.push(Code::CLIENT_ARCH, &[0, 7]);
    Client::from_message(&message, mac)
}
