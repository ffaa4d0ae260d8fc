//! DHCP and BOOTP messages, and everything that is read out of one: what is written reads back as it was.

use std::net::Ipv4Addr;

use pxego::boot::client::Client;
use pxego::dhcp::identity::Identity;
use pxego::dhcp::probe::{self, ForeignServer};
use pxego::wire::dhcp::{EmitError, MIN_MESSAGE, Message};
use pxego::wire::dhcp_option::{Code, MAX_OPTION, Options};
use pxego::wire::{MacAddr, pxe};

/// Reads `data` as a message.
pub fn dhcp(data: &[u8]) {
    encapsulated(data);
    let Ok(message) = Message::parse(data) else {
        return;
    };
    assert!(data.len() >= 236 && message.hlen <= 16);
    let mut total = 0;
    for (code, value) in message.options.iter() {
        assert!(![Code::PAD, Code::END, Code::OVERLOAD].contains(&code) && value.len() <= MAX_OPTION);
        assert_eq!(message.options.get(code), Some(value), "each code stands there once");
        total += value.len();
        encapsulated(value);
    }
    assert!(total <= data.len(), "no byte counts twice");
    who_sent(&message);
    emitted(&message);
}

/// Reads bytes as each of the options that have something inside.
fn encapsulated(option: &[u8]) {
    assert!(pxe::SubOptions::new(option).map(|(_, value)| value.len() + 2).sum::<usize>() <= option.len());
    assert!(pxe::boot_servers(option).len() <= option.len() / 7);
    if let Some(item) = pxe::BootItem::from_option(option) {
        assert_eq!(pxe::BootItem::from_option(&item.to_bytes()), Some(item));
    }
    let _ = pxe::IpxeFeatures::from_option(option).can_boot_linux_over_http();
    let _ = pxe::VendorClass::from_option(option);
    let _ = (pxe::arch_in_vendor_class(option), pxe::first_arch(option), pxe::undi_version(option));
    assert!(!pxe::has_user_class(option, b"iPXE") || option.len() >= 4);
    if let Some(uuid) = pxe::Uuid::from_option(option) {
        assert_eq!((uuid.to_string().len(), option.len()), (36, 17));
    }
}

/// Reads who sent it; what is shown of that is printable, its key makes the round trip through the lease file.
fn who_sent(message: &Message) {
    let client = Client::from_message(message, MacAddr([2, 0, 0, 0, 0, 1]));
    let shown = [client.to_string(), client.vendor_class.clone(), client.user_class.clone()];
    let host_name = client.host_name.iter();
    assert!(shown.iter().chain(host_name).all(|text| text.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
    if let Some(identity) = Identity::from_message(message) {
        assert_eq!(Identity::from_text(&identity.to_string()), Some(identity));
    }
    for name in [message.file_name(), message.server_name()] {
        assert!(!name.contains(&0));
    }
    assert!(message.message_type().is_none() || !message.is_bootp());
    other_server(message);
}

/// Reads it as what another server says, or somebody who is about to be one.
fn other_server(message: &Message) {
    let (mac, ip) = (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 168, 100, 9));
    let server = ForeignServer::from_message(message, mac, ip);
    assert!(!server.ip.is_unspecified() && server.offered.is_none_or(|offered| offered == message.yiaddr));
    assert!(server.to_string().is_ascii());
    assert!(!probe::is_question(message) || message.options.len() == 2);
}

/// Writes it and reads that.
fn emitted(message: &Message) {
    let mut bytes = vec![1, 2, 3];
    if let Err(error) = message.emit(usize::MAX, &mut bytes) {
        let EmitError::OptionTooLong(code) = error else { panic!("{error}") };
        assert!(message.options.get(code).is_some_and(|value| value.len() > 255) && bytes.is_empty());
        return;
    }
    assert!(bytes.len() >= MIN_MESSAGE);
    let again = Message::parse(&bytes).expect("what we write is a message");
    let mut expected = message.clone();
    // The relay's option stands last; without a cookie there are none.
    if let Some(relay) = message.options.get(Code::RELAY_AGENT) {
        expected.options.remove(Code::RELAY_AGENT);
        expected.options.push(Code::RELAY_AGENT, relay);
    }
    assert!(message.has_cookie || message.options == Options::new());
    assert_eq!(again, expected);
    let len = bytes.len();
    if len > MIN_MESSAGE {
        assert!(message.emit(len, &mut bytes).is_ok());
        assert_eq!(message.emit(len - 1, &mut bytes), Err(EmitError::OverBudget(1)));
        assert!(bytes.is_empty());
    }
}
