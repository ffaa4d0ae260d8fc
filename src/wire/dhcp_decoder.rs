//! A second reader of DHCP messages, for tests only: it shares nothing with the code it judges, reads strictly what a
//! server may send, and says what a client would stumble over.
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used)]

use std::net::Ipv4Addr;

/// One option as it stands in the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawOption {
    pub(crate) code: u8,
    pub(crate) data: Vec<u8>,
    /// How many zero bytes follow it.
    pub(crate) pads_after: usize,
}

/// A message taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) op: u8,
    pub(crate) htype: u8,
    pub(crate) hlen: u8,
    pub(crate) hops: u8,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 16],
    pub(crate) sname: [u8; 64],
    pub(crate) file: [u8; 128],
    /// In their order, repetitions kept apart.
    pub(crate) options: Vec<RawOption>,
    /// All bytes, padding included.
    pub(crate) len: usize,
}

impl Decoded {
    /// Takes a message apart (RFC 2131 §2). An error is what a strict client finds wrong with its build: cookie, lengths,
    /// END, padding.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < 240 {
            return Err(format!("{} bytes are too few", bytes.len()));
        }
        if bytes[236..240] != [0x63, 0x82, 0x53, 0x63] {
            return Err(format!("the cookie is {:02x?}", &bytes[236..240]));
        }
        let ip = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        Ok(Self {
            op: bytes[0],
            htype: bytes[1],
            hlen: bytes[2],
            hops: bytes[3],
            xid: u32::from_be_bytes(bytes[4..8].try_into().unwrap()),
            secs: u16::from_be_bytes(bytes[8..10].try_into().unwrap()),
            flags: u16::from_be_bytes(bytes[10..12].try_into().unwrap()),
            ciaddr: ip(12),
            yiaddr: ip(16),
            siaddr: ip(20),
            giaddr: ip(24),
            chaddr: bytes[28..44].try_into().unwrap(),
            sname: bytes[44..108].try_into().unwrap(),
            file: bytes[108..236].try_into().unwrap(),
            options: read_options(&bytes[240..])?,
            len: bytes.len(),
        })
    }

    /// The first option of a code.
    pub(crate) fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|option| option.code == code).map(|option| &option.data[..])
    }

    /// An option that holds one address.
    pub(crate) fn ipv4(&self, code: u8) -> Option<Ipv4Addr> {
        let octets: [u8; 4] = self.option(code)?.try_into().ok()?;
        Some(octets.into())
    }

    /// An option that holds a 32-bit number.
    pub(crate) fn u32(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.option(code)?.try_into().ok()?))
    }

    /// An option that holds text.
    pub(crate) fn text(&self, code: u8) -> Option<String> {
        Some(String::from_utf8_lossy(self.option(code)?).into_owned())
    }

    /// The codes in their order.
    pub(crate) fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|option| option.code).collect()
    }

    /// The `file` field up to its NUL.
    pub(crate) fn file_name(&self) -> String {
        let end = self.file.iter().position(|&byte| byte == 0).unwrap_or(self.file.len());
        String::from_utf8_lossy(&self.file[..end]).into_owned()
    }

    /// What is wrong with it as a server's DHCP reply, in words; nothing, if all is well.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut must = |is_right: bool, fault: String| {
            if !is_right {
                faults.push(fault);
            }
        };
        must(self.op == 2, format!("op is {}", self.op));
        must(self.hops == 0, format!("hops is {}", self.hops));
        must(self.secs == 0, format!("secs is {}", self.secs));
        must(self.len >= 300, format!("{} bytes, and relays drop less than 300", self.len));
        must(self.len <= 1472, format!("{} bytes do not fit a frame", self.len));
        must(self.options.first().is_some_and(|first| first.code == 53), "53 is not first".to_owned());
        must(self.file[127] == 0, "file has no NUL".to_owned());
        must(self.sname[63] == 0, "sname has no NUL".to_owned());
        for (index, option) in self.options.iter().enumerate() {
            let code = option.code;
            let is_first = self.options[..index].iter().all(|before| before.code != code);
            must(is_first, format!("option {code} twice or split"));
            must(!option.data.is_empty(), format!("option {code} is empty"));
            let fixed = match code {
                1 | 28 | 50 | 51 | 54 | 58 | 59 => 4,
                53 => 1,
                57 => 2,
                97 => 17,
                _ => option.data.len(),
            };
            must(option.data.len() == fixed, format!("option {code} has {} bytes", option.data.len()));
            let is_list = matches!(code, 3 | 6 | 42);
            must(!is_list || option.data.len() % 4 == 0, format!("option {code} is no list of addresses"));
            let is_request = matches!(code, 50 | 52 | 55 | 57);
            must(!is_request, format!("option {code} has no place in a reply"));
            let is_private = matches!(code, 128..=135 | 150);
            must(!is_private, format!("option {code} means something else to somebody else"));
        }
        let place = |code| self.options.iter().position(|option| option.code == code);
        let is_last = place(82).is_none_or(|place| place + 1 == self.options.len());
        must(is_last, "82 is not last".to_owned());
        if let (Some(router), mask) = (place(3), place(1)) {
            must(mask.is_some_and(|mask| mask < router), "no mask before the router".to_owned());
        }
        faults
    }
}

fn read_options(area: &[u8]) -> Result<Vec<RawOption>, String> {
    let mut options: Vec<RawOption> = Vec::new();
    let mut at = 0;
    loop {
        match area.get(at) {
            None => return Err("no END".to_owned()),
            Some(0) => {
                match options.last_mut() {
                    Some(option) => option.pads_after += 1,
                    None => return Err("PAD before the first option".to_owned()),
                }
                at += 1;
            }
            Some(255) => break,
            Some(&code) => {
                let len = usize::from(*area.get(at + 1).ok_or("no END")?);
                let data = area.get(at + 2..at + 2 + len).ok_or(format!("option {code} is cut short"))?;
                options.push(RawOption { code, data: data.to_vec(), pads_after: 0 });
                at += 2 + len;
            }
        }
    }
    match area[at + 1..].iter().position(|&byte| byte != 0) {
        None => Ok(options),
        Some(distance) => Err(format!("something stands {} bytes after END", distance + 1)),
    }
}

#[test]
fn s15_the_decoder_of_the_tests_sees_what_is_wrong() {
    let good = |options: &[u8]| {
        let mut bytes = vec![0; 236];
        bytes[0] = 2;
        bytes.extend_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        bytes.extend_from_slice(options);
        bytes
    };
    let padded = |options: &[u8]| {
        let mut bytes = good(options);
        bytes.resize(300, 0);
        bytes
    };
    let offer = Decoded::read(&padded(&[53, 1, 2, 54, 4, 10, 0, 0, 1, 255])).expect("a whole message");
    assert_eq!(offer.faults(), [""; 0]);
    assert_eq!(offer.ipv4(54), Some(Ipv4Addr::new(10, 0, 0, 1)));

    assert_eq!(Decoded::read(&good(&[53, 1, 2])), Err("no END".to_owned()));
    assert_eq!(Decoded::read(&good(&[53, 1])), Err("option 53 is cut short".to_owned()));
    assert_eq!(
        Decoded::read(&good(&[53, 1, 2, 255, 0, 7])),
        Err("something stands 2 bytes after END".to_owned())
    );
    let mut wrong = padded(&[255]);
    wrong[238] = 0;
    assert!(Decoded::read(&wrong).is_err());

    let faulty: [(&[u8], &str); 9] = [
        (&[54, 4, 10, 0, 0, 1, 53, 1, 2, 255], "53 is not first"),
        (&[53, 1, 2, 12, 1, 65, 12, 1, 65, 255], "option 12 twice or split"),
        (&[53, 1, 2, 52, 1, 1, 255], "option 52 has no place in a reply"),
        (&[53, 1, 2, 54, 3, 10, 0, 0, 255], "option 54 has 3 bytes"),
        (&[53, 1, 2, 82, 1, 1, 12, 1, 65, 255], "82 is not last"),
        (&[53, 1, 2, 3, 4, 10, 0, 0, 1, 1, 4, 255, 0, 0, 0, 255], "no mask before the router"),
        (&[53, 1, 2, 150, 4, 10, 0, 0, 1, 255], "option 150 means something else to somebody else"),
        (&[53, 1, 2, 12, 0, 255], "option 12 is empty"),
        (&[53, 1, 2, 6, 5, 1, 2, 3, 4, 5, 255], "option 6 is no list of addresses"),
    ];
    for (options, fault) in faulty {
        assert_eq!(
            Decoded::read(&padded(options)).map(|message| message.faults()),
            Ok(vec![fault.to_owned()])
        );
    }
    assert_eq!(Decoded::read(&good(&[53, 1, 2, 255])).unwrap().faults().len(), 1);
}
