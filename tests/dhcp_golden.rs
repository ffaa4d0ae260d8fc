//! What real clients sent, and what they are answered: recorded exchanges as texts, in `golden/dhcp`.
//!
//! A text holds the requests byte by byte and our replies, both with what they mean. The requests are given to the server
//! again, and what comes out must be the same text. `golden/dhcp/record.sh` records anew; with `PXEGO_CAPTURES` the texts
//! are written from its captures, and with `PXEGO_GOLDEN=write` the replies are written anew.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pxego::boot::arch::Arch;
use pxego::boot::boot_file::BootFile;
use pxego::boot::client::{Client, Firmware, Stage};
use pxego::dhcp::ladder::Ladder;
use pxego::dhcp::reaction::{Port, Received, Verdict};
use pxego::dhcp::server::{Server, ServerConfig};
use pxego::dhcp::subnet::SubnetConfig;
use pxego::dhcp::{Mode, Now};
use pxego::wire::MacAddr;
use pxego::wire::dhcp::Message;
use pxego::wire::dhcp_option::Code;
use pxego::wire::frame::{self, Checksum};

/// A request as it came, with when: milliseconds after the first.
struct Request {
    millis: u64,
    src_mac: MacAddr,
    src: (Ipv4Addr, u16),
    dst: (Ipv4Addr, u16),
    payload: Vec<u8>,
}

/// Beside dnsmasq we are 192.168.7.2, alone 192.168.100.1: as the recipe has it.
fn server(is_beside: bool) -> Server {
    let [a, b, c, d] = if is_beside { [192, 168, 7, 2] } else { [192, 168, 100, 1] };
    let config = ServerConfig {
        mode: if is_beside { Mode::Proxy } else { Mode::Full },
        server_ip: Ipv4Addr::new(a, b, c, d),
        server_mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]),
        local: SubnetConfig {
            prefix_len: 24,
            first: Ipv4Addr::new(a, b, c, 100),
            last: Ipv4Addr::new(a, b, c, 200),
            router: None,
        },
        relayed: vec![],
        set_aside: vec![],
        reservations: vec![],
        dns: vec![],
        domain: None,
        lease_secs: 12 * 3600,
        authoritative: false,
        bootp: true,
        // That nobody uses the address was asked before.
        check_addresses: false,
    };
    Server::new(config, &[], Ladder::default(), now(0)).unwrap()
}

fn now(millis: u64) -> Now {
    Now { monotonic: Duration::from_millis(1000 + millis), unix_secs: 1_795_000_000 + millis / 1000 }
}

/// What each of them boots.
fn boot_file(client: &Client) -> BootFile {
    match (client.stage, client.firmware, client.arch) {
        (_, Firmware::Ipxe { .. }, _) => BootFile::Url("http://192.168.100.1/boot.ipxe".to_owned()),
        (Stage::Plain, ..) => BootFile::None(pxego::boot::boot_file::NoBoot::NotAsked),
        (_, _, Some(Arch::Bios) | None) => BootFile::Name("pxelinux.0".to_owned()),
        _ => BootFile::Name("EFI/BOOT/BOOTX64.EFI".to_owned()),
    }
}

/// The whole text: requests, and what the server makes of them.
fn render(title: &str, requests: &[Request]) -> String {
    let mut server = server(title.contains("beside"));
    let mut text = format!("# {title}\n");
    for request in requests {
        let (src, dst) = (request.src, request.dst);
        let seconds = format!("{}.{:03}", request.millis / 1000, request.millis % 1000);
        let from = format!("{} {}:{}", request.src_mac, src.0, src.1);
        writeln!(text, "\nrequest at {seconds} from {from} to {}:{}", dst.0, dst.1).unwrap();
        describe(&mut text, &request.payload);
        let message = Message::parse(&request.payload).unwrap();
        let received = Received {
            message: &message,
            src_mac: request.src_mac,
            src_ip: src.0,
            src_port: src.1,
            dst_ip: dst.0,
            port: Port::from_number(dst.1).unwrap(),
        };
        match server.on_message(now(request.millis), &received, &boot_file).verdict {
            Verdict::Reply(reply) => {
                let to = reply.destination;
                let (port, kind) = (reply.source_port, reply.kind);
                writeln!(text, "\nreply ({kind}) from port {port} to {} {}:{}", to.mac, to.ip, to.port)
                    .unwrap();
                describe(&mut text, &reply.message);
            }
            Verdict::Accepted(accepted) => writeln!(text, "\nno reply: {accepted}").unwrap(),
            Verdict::Check(address) => panic!("{address} is asked about"),
            Verdict::Ignored(reason) => writeln!(text, "\nno reply: {reason}").unwrap(),
        }
    }
    text
}

/// Bytes, and below them what they mean.
fn describe(text: &mut String, payload: &[u8]) {
    // Zeros at the end are padding, and told by their number.
    let kept = payload.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    for line in payload[..kept].chunks(32) {
        let bytes: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "  {}", bytes.join(" ")).unwrap();
    }
    writeln!(text, "  + {} zeros", payload.len() - kept).unwrap();
    let message = Message::parse(payload).unwrap();
    let kind = message.message_type().map_or("BOOTP".to_owned(), |kind| kind.to_string());
    let (xid, secs, flags) = (message.xid, message.secs, message.flags);
    writeln!(text, "  | {kind} xid {xid:08x} secs {secs} flags {flags:04x} hops {}", message.hops).unwrap();
    for (name, address) in [
        ("ciaddr", message.ciaddr),
        ("yiaddr", message.yiaddr),
        ("siaddr", message.siaddr),
        ("giaddr", message.giaddr),
    ] {
        if !address.is_unspecified() {
            writeln!(text, "  | {name} {address}").unwrap();
        }
    }
    if let Some(mac) = message.ethernet_chaddr() {
        writeln!(text, "  | chaddr {mac}").unwrap();
    }
    for (name, bytes) in [("sname", message.server_name()), ("file", message.file_name())] {
        if !bytes.is_empty() {
            writeln!(text, "  | {name} {}", shown(bytes)).unwrap();
        }
    }
    for (code, data) in message.options.iter().filter(|(code, _)| *code != Code::MESSAGE_TYPE) {
        let value = match (code, <[u8; 4]>::try_from(data)) {
            (
                Code::SUBNET_MASK | Code::ROUTER | Code::SERVER_ID | Code::REQUESTED_IP | Code::BROADCAST,
                Ok(ip),
            ) => Ipv4Addr::from(ip).to_string(),
            (Code::LEASE_TIME | Code::T1 | Code::T2, Ok(secs)) => format!("{} s", u32::from_be_bytes(secs)),
            (Code::PARAMETER_LIST, _) => data.iter().map(u8::to_string).collect::<Vec<_>>().join(" "),
            _ => shown(data),
        };
        writeln!(text, "  | {code}: {value}").unwrap();
    }
}

/// As text where it is text.
fn shown(bytes: &[u8]) -> String {
    let text = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    match std::str::from_utf8(text) {
        Ok(text) if text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
            format!("\"{text}\"")
        }
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// The requests in a text.
fn read(text: &str) -> Vec<Request> {
    let mut requests = Vec::new();
    for part in text.split("\nrequest at ").skip(1) {
        let part = part.split("\nreply ").next().unwrap();
        let mut lines = part.lines();
        let words: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let [at, "from", src_mac, src, "to", dst] = words[..] else { panic!("{words:?}") };
        let endpoint = |text: &str| {
            let (ip, port) = text.split_once(':').unwrap();
            (ip.parse().unwrap(), port.parse().unwrap())
        };
        let mut payload = Vec::new();
        for line in lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with('|')) {
            match line.strip_prefix("+ ") {
                Some(zeros) => {
                    let count: usize = zeros.split(' ').next().unwrap().parse().unwrap();
                    payload.resize(payload.len() + count, 0);
                }
                None => payload.extend(line.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap())),
            }
        }
        let millis = at.replace('.', "").parse().unwrap();
        let (src, dst) = (endpoint(src), endpoint(dst));
        requests.push(Request { millis, src_mac: src_mac.parse().unwrap(), src, dst, payload });
    }
    requests
}

/// The requests in a capture as tcpdump writes it (pcap 2.4, little endian, Ethernet, microseconds).
fn read_capture(path: &Path) -> Vec<Request> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes[..4], [0xd4, 0xc3, 0xb2, 0xa1], "{}", path.display());
    let word = |at: usize| u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()));
    let (mut at, mut first, mut requests) = (24, None, Vec::new());
    while at + 16 <= bytes.len() {
        let (millis, len) = (word(at) * 1000 + word(at + 4) / 1000, word(at + 8) as usize);
        let datagram = frame::parse(&bytes[at + 16..at + 16 + len], Checksum::NotReady);
        at += 16 + len;
        let Ok(datagram) = datagram else { continue };
        if Port::from_number(datagram.dst_port).is_none() || Message::parse(datagram.payload).is_err() {
            continue;
        }
        requests.push(Request {
            millis: millis - *first.get_or_insert(millis),
            src_mac: datagram.src_mac,
            src: (datagram.src_ip, datagram.src_port),
            dst: (datagram.dst_ip, datagram.dst_port),
            payload: datagram.payload.to_vec(),
        });
    }
    requests
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dhcp")
}

/// The files of a folder with this extension, by their names without it.
fn names(folder: &Path, extension: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn recorded_clients_are_answered_as_they_were() {
    if let Ok(captures) = std::env::var("PXEGO_CAPTURES") {
        for name in names(Path::new(&captures), "pcap") {
            let requests = read_capture(&Path::new(&captures).join(format!("{name}.pcap")));
            fs::write(folder().join(format!("{name}.txt")), render(&name, &requests)).unwrap();
        }
    }
    let names = names(&folder(), "txt");
    assert!(names.len() >= 6, "{names:?}");
    for name in names {
        let path = folder().join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).unwrap();
        let title = text.lines().next().unwrap().strip_prefix("# ").unwrap().to_owned();
        let requests = read(&text);
        assert!(!requests.is_empty(), "{name}");
        let now = render(&title, &requests);
        if std::env::var("PXEGO_GOLDEN").is_ok_and(|wish| wish == "write") {
            fs::write(&path, &now).unwrap();
        }
        for (number, (expected, found)) in text.lines().zip(now.lines()).enumerate() {
            assert_eq!(found, expected, "{name}.txt, line {}", number + 1);
        }
        assert_eq!(now.len(), text.len(), "{name}.txt");
    }
}
