//! TFTP packets (RFC 1350 §5), with options (RFC 2347).

use std::fmt;

const RRQ: u16 = 1;
const WRQ: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Bytes of a DATA packet before its payload: opcode and block number.
pub const DATA_HEADER: usize = 4;

/// A packet, in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A request to read.
    Read(Request<'a>),
    /// A request to write.
    Write,
    /// A block of the file.
    Data {
        /// Its number, modulo 65536.
        block: u16,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// A block was received.
    Ack(u16),
    /// The sender gives up.
    Error {
        /// Why, by number.
        code: u16,
        /// Why, in words; not necessarily text.
        message: &'a [u8],
    },
    /// The options of the request that the server accepts.
    OptionAck(Options<'a>),
}

/// A request to read a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The file's name, as sent.
    pub name: &'a [u8],
    /// The transfer mode, as sent: `octet` in any case, as a rule.
    pub mode: &'a [u8],
    /// Its options.
    pub options: Options<'a>,
}

/// Options: pairs of strings, each closed by a NUL; in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Names and values in order. What follows the last whole pair is left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, after) = string(rest)?;
            let (value, after) = string(after)?;
            rest = after;
            Some((name, value))
        })
    }
}

/// Numbers of ERROR packets (RFC 1350 appendix I, RFC 2347 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum ErrorCode {
    /// The message says what.
    Undefined = 0,
    /// There is no such file.
    NotFound = 1,
    /// Not for this client, or not to be written.
    AccessViolation = 2,
    /// Not a TFTP operation, or not one of ours.
    IllegalOperation = 4,
    /// From a port that has no transfer.
    UnknownTransfer = 5,
}

/// Why bytes are not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than any packet of its kind.
    Short,
    /// A string without its NUL.
    Unterminated,
    /// An opcode that does not exist. Holds it.
    Opcode(u16),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("too short"),
            Self::Unterminated => f.write_str("a string without its end"),
            Self::Opcode(opcode) => write!(f, "opcode {opcode}"),
        }
    }
}

impl<'a> Packet<'a> {
    /// Reads the payload of a datagram.
    ///
    /// An ACK may be longer than its four bytes: Microsoft's variable window adds one.
    ///
    /// # Errors
    /// When it is no packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (opcode, rest) = number(bytes)?;
        match opcode {
            RRQ => {
                let (name, rest) = string(rest).ok_or(Malformed::Unterminated)?;
                let (mode, rest) = string(rest).ok_or(Malformed::Unterminated)?;
                Ok(Self::Read(Request { name, mode, options: Options(rest) }))
            }
            WRQ => Ok(Self::Write),
            DATA => number(rest).map(|(block, payload)| Self::Data { block, payload }),
            ACK => number(rest).map(|(block, _)| Self::Ack(block)),
            ERROR => {
                let (code, rest) = number(rest)?;
                // Some ROMs leave the message or its NUL out.
                let message = string(rest).map_or(rest, |(message, _)| message);
                Ok(Self::Error { code, message })
            }
            OACK => Ok(Self::OptionAck(Options(rest))),
            other => Err(Malformed::Opcode(other)),
        }
    }
}

/// Writes the head of a DATA packet.
pub fn data_header(block: u16) -> [u8; DATA_HEADER] {
    let [high, low] = block.to_be_bytes();
    [0, DATA as u8, high, low]
}

/// Writes an ACK.
pub fn ack(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    [0, ACK as u8, high, low]
}

/// Writes an ERROR. NULs in the message are left out.
pub fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let mut bytes = ERROR.to_be_bytes().to_vec();
    bytes.extend((code as u16).to_be_bytes());
    push_string(&mut bytes, message.as_bytes());
    bytes
}

/// Writes an OACK.
pub fn option_ack<'a>(options: impl IntoIterator<Item = (&'a str, u64)>) -> Vec<u8> {
    let mut bytes = OACK.to_be_bytes().to_vec();
    for (name, value) in options {
        push_string(&mut bytes, name.as_bytes());
        push_string(&mut bytes, value.to_string().as_bytes());
    }
    bytes
}

/// Writes a read request, for tests and probes.
pub fn read_request(name: &[u8], mode: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = RRQ.to_be_bytes().to_vec();
    push_string(&mut bytes, name);
    push_string(&mut bytes, mode.as_bytes());
    for (name, value) in options {
        push_string(&mut bytes, name.as_bytes());
        push_string(&mut bytes, value.as_bytes());
    }
    bytes
}

fn push_string(bytes: &mut Vec<u8>, string: &[u8]) {
    bytes.extend(string.iter().filter(|byte| **byte != 0));
    bytes.push(0);
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk::<2>().ok_or(Malformed::Short)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end.checked_add(1)?..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let bytes = read_request(b"pxelinux.0", "octet", &[("tsize", "0"), ("blksize", "1408")]);
        assert_eq!(bytes, b"\0\x01pxelinux.0\0octet\0tsize\x000\0blksize\x001408\0");
        let Ok(Packet::Read(request)) = Packet::parse(&bytes) else { panic!("a request") };
        assert_eq!((request.name, request.mode), (&b"pxelinux.0"[..], &b"octet"[..]));
        let options: Vec<_> = request.options.iter().collect();
        assert_eq!(options, [(&b"tsize"[..], &b"0"[..]), (b"blksize", b"1408")]);
    }

    #[test]
    fn half_an_option_is_left_out() {
        let Ok(Packet::Read(request)) = Packet::parse(b"\0\x01a\0octet\0tsize\x000\0blksize\0") else {
            panic!("a request")
        };
        assert_eq!(request.options.iter().count(), 1);
    }

    #[test]
    fn t37_an_acknowledgement_may_be_longer() {
        assert_eq!(Packet::parse(b"\0\x04\x01\x02\x08"), Ok(Packet::Ack(0x102)));
        assert_eq!(Packet::parse(&ack(0x102)), Ok(Packet::Ack(0x102)));
    }

    #[test]
    fn what_is_no_packet_has_a_name() {
        for (bytes, expected) in [
            (&b""[..], Malformed::Short),
            (b"\0", Malformed::Short),
            (b"\0\x03\0", Malformed::Short),
            (b"\0\x01name", Malformed::Unterminated),
            (b"\0\x01name\0octet", Malformed::Unterminated),
            (b"\0\x07", Malformed::Opcode(7)),
        ] {
            assert_eq!(Packet::parse(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn what_we_send_reads_back() {
        let oack = option_ack([("tsize", 5), ("blksize", 1408)]);
        assert_eq!(oack, b"\0\x06tsize\x005\0blksize\x001408\0");
        let Ok(Packet::OptionAck(options)) = Packet::parse(&oack) else { panic!("an OACK") };
        assert_eq!(options.iter().last(), Some((&b"blksize"[..], &b"1408"[..])));
        assert_eq!(
            Packet::parse(&error(ErrorCode::NotFound, "no\0 file")),
            Ok(Packet::Error { code: 1, message: b"no file" })
        );
        assert_eq!(Packet::parse(b"\0\x05\0\x00abc"), Ok(Packet::Error { code: 0, message: b"abc" }));
        let data = [&data_header(65535)[..], b"x"].concat();
        assert_eq!(Packet::parse(&data), Ok(Packet::Data { block: 65535, payload: b"x" }));
    }
}
