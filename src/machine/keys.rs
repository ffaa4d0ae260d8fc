//! What stands in the columns that we know, in every spelling that people and vendors have for it.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use std::net::Ipv4Addr;

use crate::wire::MacAddr;
use crate::wire::pxe::Uuid;

/// A MAC address: `52:54:00:12:34:56`, `52-54-…`, `5254.0012.3456` (Cisco), `5254-0012-3456` (Huawei), `525400-123456`
/// (HP), `525400123456`, and single digits as Solaris writes them.
///
/// # Errors
/// When it is none, or no machine's.
pub fn mac(text: &str) -> Result<MacAddr, String> {
    let wrong = || {
        let hint = if text.contains('.') && text.contains(['E', 'e', '+']) && text.contains('+') {
            " (the spreadsheet took it for a number: format the column as text)"
        } else {
            ""
        };
        format!("\"{text}\" is not a MAC address{hint}; write it as 52:54:00:12:34:56")
    };
    let groups: Vec<&str> = text.split([':', '-', '.', ' ']).collect();
    let digits: String = match groups.len() {
        6 if groups.iter().all(|group| group.len() <= 2) => {
            groups.iter().map(|group| format!("{group:0>2}")).collect()
        }
        // Groups of one length: halves, thirds, or all in one.
        1..=3 if groups.iter().all(|group| Some(group.len()) == 12_usize.checked_div(groups.len())) => {
            groups.concat()
        }
        _ => return Err(wrong()),
    };
    let is_mac = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_mac.then(|| u64::from_str_radix(&digits, 16).ok()).flatten().ok_or_else(wrong)?;
    let [_, _, bytes @ ..] = number.to_be_bytes();
    let mac = MacAddr(bytes);
    if mac.is_multicast() || number == 0 {
        return Err(format!("{mac} is no machine's address"));
    }
    Ok(mac)
}

/// A UUID, with or without hyphens and braces; as `dmidecode` prints it.
pub(super) fn uuid(text: &str) -> Result<String, String> {
    let digits: String =
        text.chars().filter(|c| !"-{}".contains(*c)).collect::<String>().to_ascii_lowercase();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = is_uuid.then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
    match bits {
        Some(0 | u128::MAX) => Err(format!("{text} is no machine's UUID: boards without one say that")),
        Some(_) => Ok(hyphenated(&digits)),
        None => Err(format!("\"{text}\" is not a UUID; write it as 4c4c4544-0042-4810-8056-b4c04f4b4d32")),
    }
}

/// A UUID in the order in which its bytes were sent.
pub(super) fn uuid_as_sent(uuid: Uuid) -> String {
    hyphenated(&uuid.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn hyphenated(digits: &str) -> String {
    let ends = [8, 12, 16, 20];
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if ends.contains(&at) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// A host name (RFC 1123 §2.1), with or without its domain.
pub(super) fn host_name(text: String) -> Result<String, String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= super::record::MAX_NAME && text.split('.').all(is_label) {
        return Ok(text);
    }
    Err(format!("\"{text}\" is not a host name: letters, digits and hyphens, and dots between them"))
}

/// An address.
pub(super) fn ip(text: &str) -> Result<Ipv4Addr, String> {
    let ip: Ipv4Addr =
        text.parse().map_err(|_| format!("\"{text}\" is not an address; write it as 192.168.100.20"))?;
    if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || ip.is_loopback() {
        return Err(format!("{ip} is no machine's address"));
    }
    Ok(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendors_spelling_of_a_mac_address_is_read() {
        let expected = MacAddr([0x52, 0x54, 0, 0xab, 0x0c, 0xff]);
        for text in [
            "52:54:00:ab:0c:ff",
            "52-54-00-AB-0C-FF",
            "5254.00ab.0cff",
            "5254-00ab-0cff",
            "525400-ab0cff",
            "525400AB0CFF",
            "52 54 00 ab 0c ff",
            "52:54:0:ab:c:ff",
        ] {
            assert_eq!(mac(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "52:54:00:ab:0c",
            "52:54:00:ab:0c:ff:00",
            "52:54:00:ab:0c:fg",
            "5254.00ab",
            "é2:54:00:ab:0c:ff",
        ] {
            assert!(mac(text).is_err(), "{text}");
        }
        for text in ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"] {
            assert!(mac(text).is_err_and(|why| why.contains("no machine")), "{text}");
        }
        assert!(mac("5.254E+11").is_err_and(|why| why.contains("as text")));
    }

    #[test]
    fn a_uuid_is_read_in_every_spelling() {
        for text in [
            "4c4c4544-0042-4810-8056-b4c04f4b4d32",
            "{4C4C4544-0042-4810-8056-B4C04F4B4D32}",
            "4c4c4544004248108056b4c04f4b4d32",
        ] {
            assert_eq!(uuid(text).as_deref(), Ok("4c4c4544-0042-4810-8056-b4c04f4b4d32"));
        }
        for text in
            ["", "4c4c4544", "00000000-0000-0000-0000-000000000000", "ffffffffffffffffffffffffffffffff"]
        {
            assert!(uuid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_a_host_name() {
        for name in ["node01", "a.example.com", "0", "x-1"] {
            assert_eq!(host_name(name.into()).as_deref(), Ok(name));
        }
        for name in ["-x", "x-", "a..b", "a b", "a;reboot", "a\nb", "", "$(x)", "é", &"x".repeat(64)] {
            assert!(host_name(name.into()).is_err(), "{name}");
        }
    }
}
