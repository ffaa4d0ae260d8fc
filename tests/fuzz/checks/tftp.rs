//! TFTP packets and what a request asks for: names stay inside, options are granted within their limits and answered once.

use std::collections::BTreeSet;
use std::time::Duration;

use pxego::content::name::{normalise, with_backslashes};
use pxego::tftp::request::{MAX_WINDOW, Wish};
use pxego::wire::tftp::{Packet, Request, ack, data_header};

/// A link's longest packet, and what its headers leave of that.
const MTU: u32 = 1500;
const LONGEST: u16 = 1468;

/// Reads `data` as a packet.
pub fn tftp(data: &[u8]) {
    let packet = match Packet::parse(data) {
        Ok(packet) => packet,
        Err(malformed) => {
            assert!(!malformed.to_string().is_empty());
            return;
        }
    };
    match packet {
        Packet::Read(request) => {
            reads_back(&request);
            settled(&request);
        }
        Packet::Write => {}
        Packet::Data { block, payload } => assert_eq!([&data_header(block), payload].concat(), data),
        Packet::Ack(block) => assert!(data.starts_with(&ack(block))),
        Packet::Error { message, .. } => assert!(message.len() <= data.len() - 4),
        Packet::OptionAck(options) => {
            assert!(
                options.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() < data.len()
            );
        }
    }
}

/// The request as bytes, half an option at its end left out.
fn written(request: &Request<'_>) -> Vec<u8> {
    let options = request.options.iter().flat_map(|(name, value)| [name, value]);
    let strings = [request.name, request.mode].into_iter().chain(options);
    strings.fold(vec![0, 1], |bytes, string| [&bytes, string, &[0]].concat())
}

fn reads_back(request: &Request<'_>) {
    let bytes = written(request);
    let Ok(Packet::Read(again)) = Packet::parse(&bytes) else { panic!("it was a request") };
    assert_eq!((again.name, again.mode), (request.name, request.mode));
    assert!(again.options.iter().eq(request.options.iter()));
}

/// Settles the request, and reads the answer.
fn settled(request: &Request<'_>) {
    let wish = match Wish::from_request(request, MTU) {
        Ok(wish) => wish,
        Err(rejected) => {
            assert!(!rejected.to_error().1.is_empty());
            return;
        }
    };
    assert_eq!(normalise(&wish.name).as_ref(), Ok(&wish.name), "a name in its form");
    assert!(!wish.name.starts_with(b"/") && !wish.name.contains(&0));
    if let Some(name) = &wish.with_backslashes {
        assert_eq!(with_backslashes(name).as_ref(), Some(name));
        assert_eq!(normalise(name).as_ref(), Ok(&wish.name), "both are one name, read in two ways");
    }
    assert!((8..=LONGEST).contains(&wish.block_len) && (1..=MAX_WINDOW).contains(&wish.window));
    assert!(wish.timeout.is_none_or(|time| (1..=255).contains(&time.as_secs()) && time.subsec_nanos() == 0));
    let Some(oack) = wish.option_ack(1 << 40) else {
        assert_eq!((wish.block_len, wish.window, wish.timeout), (512, 1, None));
        return;
    };
    let Ok(Packet::OptionAck(options)) = Packet::parse(&oack) else { panic!("an OACK") };
    let mut names = BTreeSet::new();
    for (name, value) in options.iter() {
        let asked = request.options.iter().any(|(asked, _)| asked.eq_ignore_ascii_case(name));
        assert!(asked && names.insert(name), "only what was asked for, and once");
        let value: u64 = std::str::from_utf8(value).expect("digits").parse().expect("a number");
        match name {
            b"blksize" => assert_eq!(value, u64::from(wish.block_len)),
            b"windowsize" => assert_eq!(value, u64::from(wish.window)),
            b"timeout" => assert_eq!(Some(Duration::from_secs(value)), wish.timeout),
            b"tsize" => assert_eq!(value, 1 << 40),
            other => panic!("{}", other.escape_ascii()),
        }
    }
}
