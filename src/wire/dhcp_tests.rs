#![allow(clippy::arithmetic_side_effects)]

use super::super::dhcp_decoder::Decoded;
use super::super::test_random::Random;
use super::*;

/// The fixed part of a request: xid 0x12345678, secs 4, broadcast, 52:54:00:12:34:56; then the cookie.
fn fixed() -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, 0, 4, 0x80, 0];
    bytes.extend_from_slice(&[0; 16]);
    bytes.extend_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    bytes.resize(236, 0);
    bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    bytes
}

fn with_options(options: &[u8]) -> Vec<u8> {
    [fixed(), options.to_vec()].concat()
}

fn parsed(options: &[u8]) -> Message {
    Message::parse(&with_options(options)).expect("a message")
}

fn listed(message: &Message) -> Vec<(u8, Vec<u8>)> {
    message.options.iter().map(|(code, data)| (code.0, data.to_vec())).collect()
}

#[test]
fn every_field_is_read_from_its_place() {
    let mut bytes: Vec<u8> = vec![1, 6, 5, 3, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x80, 0x01];
    bytes.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4]);
    bytes.extend(1..=16u8);
    bytes.extend_from_slice(b"server\0junk");
    bytes.resize(108, 0);
    bytes.extend_from_slice(b"file\0junk");
    bytes.resize(236, 0);
    bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, 3, 50, 4, 192, 168, 77, 9, 255]);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.op, message.htype, message.hlen, message.hops), (1, 6, 5, 3));
    assert_eq!((message.xid, message.secs, message.flags), (0xdead_beef, 0x0102, 0x8001));
    let addresses = [message.ciaddr, message.yiaddr, message.siaddr, message.giaddr];
    assert_eq!(addresses, [1, 2, 3, 4].map(|last| Ipv4Addr::new(10, 0, 0, last)));
    assert_eq!(message.chaddr.to_vec(), (1..=16).collect::<Vec<u8>>());
    assert_eq!((message.server_name(), message.file_name()), (&b"server"[..], &b"file"[..]));
    assert!(message.wants_broadcast() && message.has_cookie && !message.is_bootp());
    assert_eq!(message.ethernet_chaddr(), None, "htype 6 is not Ethernet");
    assert_eq!(message.message_type(), Some(MessageType::Request));
    assert_eq!(listed(&message), [(53, vec![3]), (50, vec![192, 168, 77, 9])]);
}

#[test]
fn d10_options_come_from_the_option_field_then_file_then_sname() {
    let overloaded = |bits: u8| {
        let mut bytes = with_options(&[53, 1, 1, 12, 1, b'a', 52, 1, bits, 255]);
        bytes[108..116].copy_from_slice(&[12, 1, b'b', 0, 52, 1, 3, 255]);
        bytes[44..50].copy_from_slice(&[12, 1, b'c', 66, 1, b'x']);
        Message::parse(&bytes).expect("a message")
    };
    let host_name = |bits| overloaded(bits).options.get(Code::HOST_NAME).map(<[u8]>::to_vec);
    assert_eq!(host_name(0), Some(b"a".to_vec()));
    assert_eq!(host_name(1), Some(b"ab".to_vec()), "an overload option inside file does not count");
    assert_eq!(host_name(2), Some(b"ac".to_vec()));
    assert_eq!(host_name(3), Some(b"abc".to_vec()));
    assert_eq!(host_name(7), Some(b"abc".to_vec()), "unknown bits are ignored");
    // A field that held options holds no name.
    let both = overloaded(3);
    assert_eq!((both.file_name(), both.server_name()), (&b""[..], &b""[..]));
    assert_eq!(both.options.get(Code::TFTP_SERVER), Some(&b"x"[..]));
    assert!(!both.options.has(Code::OVERLOAD));
    assert_ne!(overloaded(0).file_name(), b"");
}

#[test]
fn d10_an_overload_option_of_another_length_means_nothing() {
    for option in [&[52, 0][..], &[52, 2, 1, 1]] {
        let mut bytes = with_options(&[&[53, 1, 1], option, &[255]].concat());
        bytes[108..112].copy_from_slice(&[12, 1, b'b', 255]);
        let message = Message::parse(&bytes).expect("a message");
        assert_eq!(listed(&message), [(53, vec![1])]);
    }
}

#[test]
fn d11_a_repeated_option_is_concatenated_wherever_it_stands() {
    let message = parsed(&[77, 2, b'i', b'P', 53, 1, 1, 0, 0, 77, 0, 77, 2, b'X', b'E', 255]);
    assert_eq!(listed(&message), [(77, b"iPXE".to_vec()), (53, vec![1])]);
    // 60 times 255 bytes: what is beyond the cap is left out, the rest is read.
    let mut options = [&[43, 255][..], &[7; 255]].concat().repeat(60);
    options.extend_from_slice(&[53, 1, 1, 255]);
    let message = parsed(&options);
    assert_eq!(message.options.get(Code::VENDOR_INFO).map(<[u8]>::len), Some(1024));
    assert_eq!(message.message_type(), Some(MessageType::Discover));
}

#[test]
fn d12_a_truncated_option_ends_the_options_and_spoils_none_before_it() {
    for rest in [&[60][..], &[60, 9], &[60, 9, b'P', b'X', b'E'], &[60, 255]] {
        let message = parsed(&[&[53, 1, 1, 12, 1, b'a'], rest].concat());
        assert_eq!(listed(&message), [(53, vec![1]), (12, b"a".to_vec())], "{rest:?}");
    }
}

#[test]
fn d12_a_truncated_option_in_the_option_field_does_not_stop_file_and_sname() {
    let mut bytes = with_options(&[52, 1, 1, 53, 1, 1, 60, 200]);
    bytes[108..112].copy_from_slice(&[12, 1, b'b', 255]);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(listed(&message), [(53, vec![1]), (12, b"b".to_vec())]);
}

#[test]
fn d13_a_missing_end_and_junk_after_it_are_tolerated() {
    assert_eq!(listed(&parsed(&[53, 1, 1])), [(53, vec![1])]);
    assert_eq!(listed(&parsed(&[53, 1, 1, 0, 0, 0])), [(53, vec![1])]);
    assert_eq!(listed(&parsed(&[53, 1, 1, 255, 12, 1, b'x', 0xee])), [(53, vec![1])]);
    assert_eq!(listed(&parsed(&[])), []);
}

#[test]
fn d14_too_short_and_too_long_a_hardware_address_is_malformed() {
    let whole = with_options(&[53, 1, 1, 255]);
    for length in 0..236 {
        assert!(Message::parse(&whole[..length]).is_err(), "{length}");
    }
    // Without a whole cookie there are no options: BOOTP of RFC 951.
    for length in 236..240 {
        let message = Message::parse(&whole[..length]).expect("BOOTP");
        assert!(!message.has_cookie && message.is_bootp(), "{length}");
    }
    for hlen in 0..=255u8 {
        let mut bytes = whole.clone();
        bytes[2] = hlen;
        let expected = Malformed { what: "hardware address longer than 16 bytes", offset: 2 };
        let message = Message::parse(&bytes);
        assert_eq!(message.as_ref().err(), (hlen > 16).then_some(&expected), "{hlen}");
    }
    let mut bytes = whole;
    bytes[239] = 0;
    assert_eq!(listed(&Message::parse(&bytes).expect("BOOTP")), [], "another cookie: no options");
}

#[test]
fn s02_empty_and_longest_options_are_read_once_each() {
    let mut options = vec![12, 0, 53, 1, 1, 60, 255];
    options.extend_from_slice(&[b'x'; 255]);
    options.extend_from_slice(&[43, 2, 6, 0, 255]);
    let message = parsed(&options);
    let lengths: Vec<_> = message.options.iter().map(|(code, data)| (code.0, data.len())).collect();
    assert_eq!(lengths, [(12, 0), (53, 1), (60, 255), (43, 2)]);
    assert_eq!(listed(&parsed(&[0; 1000])), []);
    assert_eq!(parsed(&[53, 0, 255]).message_type(), None);
    assert_eq!(parsed(&[53, 2, 1, 1, 255]).message_type(), None);
}

#[test]
fn d62_only_eight_message_types_are_ours() {
    for code in 0..=255u8 {
        let kind = MessageType::from_code(code);
        assert_eq!(kind.map(MessageType::code), (1..=8).contains(&code).then_some(code));
    }
}

/// A message of a server with a few options.
fn reply() -> Message {
    let mut message = Message::new(BOOT_REPLY);
    message.xid = 0x1234_5678;
    message.chaddr[..6].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    message.options.push(Code::MESSAGE_TYPE, &[2]);
    message.options.push(Code::RELAY_AGENT, b"\x01\x02ab");
    message.options.push_ipv4(Code::SERVER_ID, Ipv4Addr::new(192, 168, 77, 1));
    message.options.push(Code::BOOT_FILE, b"undionly.kpxe\0");
    message.options.push(Code::VENDOR_CLASS, b"PXEClient");
    message.options.push(Code::VENDOR_INFO, &[6, 1, 8, 255]);
    message
}

fn emitted(message: &Message) -> Vec<u8> {
    // What stood in the buffer before must not show through.
    let mut bytes = vec![0xa5; 2000];
    message.emit(1472, &mut bytes).expect("it fits");
    bytes
}

#[test]
fn d03_d04_d05_p07_a_message_is_the_recipe_byte_by_byte() {
    let mut expected = fixed();
    expected[0] = 2;
    expected[8..12].fill(0);
    expected.extend_from_slice(b"\x35\x01\x02\x36\x04\xc0\xa8\x4d\x01");
    expected.extend_from_slice(b"\x43\x0eundionly.kpxe\x00\x00");
    expected.extend_from_slice(b"\x3c\x09PXEClient\x00\x2b\x04\x06\x01\x08\xff");
    expected.extend_from_slice(b"\x52\x04\x01\x02ab\xff");
    expected.resize(300, 0);
    assert_eq!(emitted(&reply()), expected);
}

#[test]
fn d04_d05_d08_d09_whatever_is_pushed_the_message_is_well_formed() {
    let mut random = Random(0x5eed);
    for _ in 0..2000 {
        let mut message = reply();
        message.secs = 0;
        let mut expected = Vec::new();
        for _ in 0..random.below(30) {
            let code = Code(random.below(256) as u8);
            let count = random.below(40);
            let data = random.bytes(count);
            message.options.push(code, &data);
        }
        expected.extend(listed(&message));
        let mut bytes = Vec::new();
        match message.emit(1472, &mut bytes) {
            Ok(()) => {
                let decoded = Decoded::read(&bytes).expect("a well-formed message");
                let mut got: Vec<_> =
                    decoded.options.iter().map(|option| (option.code, option.data.clone())).collect();
                got.sort();
                expected.sort();
                assert_eq!(got, expected);
                assert_eq!(decoded.option(52), None);
                assert!((300..=1472).contains(&bytes.len()));
                // And back: the same message, but for the place of 82.
                let mut again = Message::parse(&bytes).expect("a message");
                let relay_agent = again.options.get(Code::RELAY_AGENT).expect("82").to_vec();
                assert!(again.options.remove(Code::RELAY_AGENT) && message.options.remove(Code::RELAY_AGENT));
                assert_eq!(again, message);
                assert_eq!(decoded.options.last().map(|option| &option.data), Some(&relay_agent));
            }
            Err(_) => assert!(bytes.is_empty()),
        }
    }
}

#[test]
fn d06_the_budget_is_kept_to_the_byte() {
    let mut message = reply();
    message.options.push(Code::DOMAIN, &[b'x'; 255]);
    let exact = emitted(&message).len();
    let mut bytes = vec![0xa5; 10];
    assert_eq!(message.emit(exact, &mut bytes), Ok(()));
    assert_eq!(bytes.len(), exact);
    assert_eq!(message.emit(exact - 1, &mut bytes), Err(EmitError::OverBudget(1)));
    assert!(bytes.is_empty());
    assert_eq!(message.emit(0, &mut bytes), Err(EmitError::OverBudget(exact)));
}

#[test]
fn d09_an_option_that_would_have_to_be_split_is_refused_by_name() {
    let mut message = reply();
    message.options.push(Code::DOMAIN, &[b'x'; 256]);
    let mut bytes = vec![0xa5; 10];
    assert_eq!(message.emit(1472, &mut bytes), Err(EmitError::OptionTooLong(Code::DOMAIN)));
    assert!(bytes.is_empty());
}

#[test]
fn a_message_without_a_cookie_has_no_options() {
    let mut message = reply();
    message.has_cookie = false;
    let bytes = emitted(&message);
    assert_eq!(bytes.len(), MIN_MESSAGE);
    assert_eq!(bytes[236..], [0; 64]);
}

#[test]
fn no_prefix_no_changed_byte_and_no_noise_panics() {
    let mut whole =
        with_options(&[52, 1, 3, 53, 1, 1, 77, 4, b'i', b'P', b'X', b'E', 60, 2, b'a', b'b', 255]);
    whole[108..112].copy_from_slice(&[12, 1, b'b', 255]);
    for position in 0..whole.len() {
        let _ = Message::parse(&whole[..position]);
        for value in 0..=255 {
            let mut changed = whole.clone();
            changed[position] = value;
            if let Ok(message) = Message::parse(&changed) {
                let mut bytes = Vec::new();
                assert_eq!(message.emit(1472, &mut bytes), Ok(()));
            }
        }
    }
    let mut random = Random(0xbad);
    for _ in 0..20_000 {
        let count = random.below(1200);
        let options = random.bytes(count);
        let _ = parsed(&options);
    }
}
