#![allow(clippy::arithmetic_side_effects)]

use super::*;

/// 192.168.77.1:67 → 255.255.255.255:68, payload `01 02 03`; sums worked out by hand with RFC 1071's rule.
fn worked_example() -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&[0xff; 6]);
    frame.extend_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
    frame.extend_from_slice(&[0x08, 0x00]);
    frame.extend_from_slice(&[
        0x45, 0, 0, 31, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 192, 168, 77, 1, 255, 255, 255, 255,
    ]);
    frame.extend_from_slice(&[0, 67, 0, 68, 0, 11, 0, 0, 1, 2, 3]);
    let ip_sum = ones_complement(&frame[14..34]);
    frame[24..26].copy_from_slice(&ip_sum.to_be_bytes());
    let udp_sum = udp_checksum(&frame);
    frame[40..42].copy_from_slice(&udp_sum.to_be_bytes());
    frame.resize(60, 0);
    frame
}

/// RFC 1071 §1, written apart from the code under test.
fn ones_complement(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The UDP checksum field a frame should have, computed with the field itself as zero (RFC 768).
fn udp_checksum(frame: &[u8]) -> u16 {
    let udp_len = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
    let mut covered = Vec::new();
    covered.extend_from_slice(&frame[26..34]);
    covered.extend_from_slice(&[0, 17]);
    covered.extend_from_slice(&frame[38..40]);
    covered.extend_from_slice(&frame[34..34 + udp_len]);
    covered[18] = 0;
    covered[19] = 0;
    match ones_complement(&covered) {
        0 => 0xffff,
        sum => sum,
    }
}

fn example() -> Datagram<'static> {
    Datagram {
        src_mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
        dst_mac: MacAddr::BROADCAST,
        src_ip: Ipv4Addr::new(192, 168, 77, 1),
        dst_ip: Ipv4Addr::BROADCAST,
        src_port: 67,
        dst_port: 68,
        payload: &[1, 2, 3],
    }
}

#[test]
fn d61_a_frame_has_ttl_64_no_df_an_id_and_right_checksums() {
    let mut frame = Vec::new();
    assert_eq!(emit(&example(), 0x1234, &mut frame), Ok(()));
    assert_eq!(frame, worked_example());
    assert_eq!(frame[22], 64, "TTL");
    assert_eq!(frame[20] & 0x40, 0, "DF");
    assert_eq!(&frame[18..20], [0x12, 0x34]);
    assert_ne!(&frame[40..42], [0, 0]);
    assert_eq!(emit(&example(), 0, &mut frame), Ok(()));
    assert_ne!(&frame[18..20], [0, 0], "an identification of 0 is never sent");
}

#[test]
fn d61_a_udp_checksum_of_zero_goes_out_as_ffff() {
    // Of 65536 payload words exactly one value makes the sum 0; it is found by trying.
    let mut seen = 0;
    for word in 0..=u16::MAX {
        let payload = word.to_be_bytes();
        let mut frame = Vec::new();
        emit(&Datagram { payload: &payload, ..example() }, 1, &mut frame).unwrap();
        let sum = u16::from_be_bytes([frame[40], frame[41]]);
        assert_ne!(sum, 0);
        if sum == 0xffff {
            seen += 1;
            assert_eq!(udp_checksum(&frame), 0xffff);
            assert!(parse(&frame, Checksum::Verify).is_ok());
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn l17_padding_is_not_payload() {
    let frame = worked_example();
    assert_eq!(frame.len(), 60);
    assert_eq!(parse(&frame, Checksum::Verify), Ok(example()));
}

/// A name, what is changed in the worked example, and why it is dropped then.
type Case = (&'static str, fn(&mut Vec<u8>), Dropped);

#[test]
fn l06_what_is_not_a_whole_datagram_is_dropped_by_name() {
    fn resum(frame: &mut [u8]) {
        frame[24] = 0;
        frame[25] = 0;
        let sum = ones_complement(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
    }
    let malformed = |what, offset| Dropped::Malformed(Malformed { what, offset });
    let cases: [Case; 15] = [
        ("VLAN tag", |f| f[12..14].copy_from_slice(&[0x81, 0]), Dropped::Vlan),
        ("provider tag", |f| f[12..14].copy_from_slice(&[0x88, 0xa8]), Dropped::Vlan),
        ("ARP", |f| f[12..14].copy_from_slice(&[8, 6]), Dropped::NotIpv4),
        ("IPv6", |f| f[12..14].copy_from_slice(&[0x86, 0xdd]), Dropped::NotIpv4),
        ("half an Ethernet header", |f| f.truncate(13), malformed("frame cut short", 0)),
        ("IHL 4", |f| f[14] = 0x44, malformed("not an IPv4 header", 14)),
        (
            "IHL 15 past the end",
            |f| {
                f[14] = 0x4f;
                f.truncate(60)
            },
            malformed("not an IPv4 header", 14),
        ),
        ("version 6", |f| f[14] = 0x65, malformed("not an IPv4 header", 14)),
        (
            "total length past the frame",
            |f| {
                f[17] = 47;
                resum(f)
            },
            malformed("IPv4 length that lies", 14),
        ),
        (
            "total length under the header",
            |f| {
                f[17] = 19;
                resum(f)
            },
            malformed("IPv4 length that lies", 14),
        ),
        ("header checksum", |f| f[24] ^= 1, Dropped::BadIpChecksum),
        (
            "more fragments",
            |f| {
                f[20] = 0x20;
                resum(f)
            },
            Dropped::Fragment,
        ),
        (
            "second fragment",
            |f| {
                f[21] = 1;
                resum(f)
            },
            Dropped::Fragment,
        ),
        (
            "TCP",
            |f| {
                f[23] = 6;
                resum(f)
            },
            Dropped::NotUdp,
        ),
        ("payload changed", |f| f[44] ^= 1, Dropped::BadUdpChecksum),
    ];
    for (name, change, expected) in cases {
        let mut frame = worked_example();
        change(&mut frame);
        assert_eq!(parse(&frame, Checksum::Verify), Err(expected), "{name}");
    }
    for udp_len in [0u16, 7, 12, 0xffff] {
        let mut frame = worked_example();
        frame[38..40].copy_from_slice(&udp_len.to_be_bytes());
        let expected = malformed("UDP length that lies", 34);
        assert_eq!(parse(&frame, Checksum::NotReady), Err(expected), "UDP length {udp_len}");
    }
}

#[test]
fn l05_an_absent_or_unfinished_udp_checksum_is_accepted() {
    let mut frame = worked_example();
    frame[40..42].copy_from_slice(&[0, 0]);
    assert_eq!(parse(&frame, Checksum::Verify), Ok(example()));
    // The partial sum veth leaves behind.
    frame[40..42].copy_from_slice(&[0x0b, 0x94]);
    assert_eq!(parse(&frame, Checksum::Verify), Err(Dropped::BadUdpChecksum));
    assert_eq!(parse(&frame, Checksum::NotReady), Ok(example()));
}

/// RFC 791 §3.1 wants zero, no stack minds; the checksum is right all the same.
#[test]
fn the_reserved_flag_is_passed_over() {
    let mut frame = worked_example();
    frame[20] = 0x80;
    frame[24..26].fill(0);
    let sum = ones_complement(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(parse(&frame, Checksum::Verify), Ok(example()));
}

#[test]
fn ip_options_are_stepped_over() {
    let plain = worked_example();
    let mut frame = plain[..34].to_vec();
    frame[14] = 0x46;
    frame[17] = 35;
    frame.extend_from_slice(&[1, 1, 1, 0]);
    frame.extend_from_slice(&plain[34..45]);
    frame[24] = 0;
    frame[25] = 0;
    let sum = ones_complement(&frame[14..38]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(parse(&frame, Checksum::Verify), Ok(example()));
}

#[test]
fn every_length_makes_the_round_trip_and_too_much_is_refused() {
    let payload = vec![0xa5; MAX_PAYLOAD + 1];
    let mut frame = Vec::new();
    for length in [0, 1, 2, 17, 18, 19, 300, 548, MAX_PAYLOAD] {
        let datagram = Datagram { payload: &payload[..length], ..example() };
        assert_eq!(emit(&datagram, 7, &mut frame), Ok(()));
        assert_eq!(frame.len(), (length + 42).max(60));
        assert_eq!(parse(&frame, Checksum::Verify), Ok(datagram));
    }
    assert!(emit(&Datagram { payload: &payload, ..example() }, 7, &mut frame).is_err());
    assert!(frame.is_empty());
}

#[test]
fn no_prefix_and_no_changed_byte_of_a_frame_panics() {
    let frame = worked_example();
    for length in 0..frame.len() {
        let _ = parse(&frame[..length], Checksum::Verify);
    }
    for position in 0..frame.len() {
        for value in 0..=255 {
            let mut changed = frame.clone();
            changed[position] = value;
            let _ = parse(&changed, Checksum::NotReady);
        }
    }
}

#[test]
fn the_beginning_of_a_connection_is_known() {
    let builder = |flags: fn(&mut etherparse::TcpHeader)| {
        let mut tcp = etherparse::TcpHeader::new(40_000, 80, 1, 1000);
        flags(&mut tcp);
        let mut frame = Vec::new();
        etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4([192, 0, 2, 9], [192, 0, 2, 1], 64)
            .tcp_header(tcp)
            .write(&mut frame, &[])
            .unwrap();
        frame
    };
    let syn = builder(|tcp| tcp.syn = true);
    let expected = Syn {
        src_mac: MacAddr([2, 0, 0, 0, 0, 1]),
        src_ip: [192, 0, 2, 9].into(),
        src_port: 40_000,
        dst_port: 80,
    };
    assert_eq!(parse_syn(&syn), Some(expected));
    assert_eq!(parse_syn(&builder(|tcp| (tcp.syn, tcp.ack) = (true, true))), None);
    assert_eq!(parse_syn(&builder(|tcp| tcp.ack = true)), None);
    for length in 0..syn.len() {
        assert_eq!(parse_syn(&syn[..length]), None, "{length}");
    }
}
