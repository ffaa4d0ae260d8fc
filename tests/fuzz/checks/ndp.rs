//! IPv6 router solicitations: who asks is a station of this link, and is answered in a way that it accepts.

use pxego::wire::MacAddr;
use pxego::wire::ndp::{RouterSolicitation, emit_no_router};

const OURS: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// Ethernet, then IPv6 (RFC 8200 §3): where its length, its addresses and its payload are.
const LENGTH: usize = 14 + 4;
const SOURCE: usize = 14 + 8;
const PAYLOAD: usize = 14 + 40;

/// Reads `data` as a frame.
pub fn ndp(data: &[u8]) {
    let Some(asked) = RouterSolicitation::parse(data) else { return };
    assert!(data.len() >= PAYLOAD + 2 && data[PAYLOAD..PAYLOAD + 2] == [133, 0]);
    assert!(data[6..12] == asked.mac.0 && data[SOURCE..SOURCE + 16] == asked.ip.octets());
    assert!(!asked.mac.is_multicast() && asked.ip.is_unicast_link_local());
    assert!((0..PAYLOAD + 2).all(|len| RouterSolicitation::parse(&data[..len]).is_none()));
    let mut frame = vec![0xa5; 300];
    emit_no_router(OURS, &asked, &mut frame);
    assert!(frame[..6] == asked.mac.0 && frame[6..12] == OURS.0, "to nobody else");
    let length = usize::from(u16::from_be_bytes([frame[LENGTH], frame[LENGTH + 1]]));
    assert!(PAYLOAD + length <= frame.len() && frame[LENGTH + 2..LENGTH + 4] == [58, 255], "RFC 4861 §6.1.2");
    // A right checksum makes the sum of all words a multiple of 0xffff (RFC 1071 §1, RFC 4443 §2.3).
    assert_eq!((sum(&frame[SOURCE..PAYLOAD + length]) + length as u64 + 58) % 0xffff, 0);
    assert!(RouterSolicitation::parse(&frame).is_none(), "an answer is no question");
}

/// The words of the addresses and of the message.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}
