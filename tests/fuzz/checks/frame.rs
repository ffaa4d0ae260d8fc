//! Frames from the wire: a datagram or a named reason; what is written reads back as it was.

use pxego::wire::frame::{Checksum, Dropped, MAX_PAYLOAD, MIN_FRAME, emit, parse, parse_syn};

/// Where the header checksum is: 14 bytes of Ethernet, then 10 of IPv4 (RFC 791 §3.1).
const IP: usize = 14;
const IP_CHECKSUM: usize = IP + 10;

/// Reads `data` as a frame, as it is and with the checksum of its IPv4 header put right.
pub fn frame(data: &[u8]) {
    read(data);
    let mut mended = data.to_vec();
    if mend(&mut mended).is_some() {
        assert_ne!(parse(&mended, Checksum::Verify), Err(Dropped::BadIpChecksum));
        read(&mended);
    }
}

fn read(bytes: &[u8]) {
    if let Some(syn) = parse_syn(bytes) {
        // RFC 791 §3.1: protocol 6; RFC 9293 §3.1: SYN and not ACK in the fourteenth byte.
        let tcp = IP + usize::from(bytes[IP] & 15) * 4;
        assert!(bytes[IP + 9] == 6 && bytes[tcp + 13] & 0x12 == 2);
        assert_eq!([syn.src_port.to_be_bytes(), syn.dst_port.to_be_bytes()].concat(), bytes[tcp..tcp + 4]);
        assert!(parse(bytes, Checksum::NotReady).is_err(), "it is one or the other");
    }
    let verified = parse(bytes, Checksum::Verify);
    let datagram = match parse(bytes, Checksum::NotReady) {
        Ok(datagram) => datagram,
        Err(dropped) => {
            assert_eq!(verified, Err(dropped), "only the UDP checksum is looked at less");
            assert!(!dropped.key().contains(' ') && !dropped.to_string().is_empty());
            return;
        }
    };
    assert!(verified == Ok(datagram) || verified == Err(Dropped::BadUdpChecksum), "{verified:?}");
    let mut frame = vec![1, 2, 3];
    if let Err(error) = emit(&datagram, 7, &mut frame) {
        assert!(datagram.payload.len() > MAX_PAYLOAD && frame.is_empty(), "{error}");
        return;
    }
    assert!((MIN_FRAME..=MAX_PAYLOAD + 42).contains(&frame.len()));
    assert_eq!(parse(&frame, Checksum::Verify), Ok(datagram));
    // No part of it is a frame, but for the padding at its end.
    let end = 42 + datagram.payload.len();
    for len in [0, 13, 14, 33, 41, end - 1] {
        assert!(parse(&frame[..len], Checksum::Verify).is_err(), "{len} of {end} bytes");
    }
    assert_eq!(parse(&frame[..end], Checksum::Verify), Ok(datagram));
}

/// Puts the checksum of the IPv4 header right (RFC 1071); `None` when there is no header.
fn mend(frame: &mut [u8]) -> Option<()> {
    let len = usize::from(frame.get(IP)? & 15) * 4;
    frame.get_mut(IP_CHECKSUM..IP_CHECKSUM + 2)?.fill(0);
    let header = frame.get(IP..IP + len)?;
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    frame[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
    (len >= 20).then_some(())
}
