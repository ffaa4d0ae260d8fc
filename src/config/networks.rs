//! Options about who gives which addresses: `--dhcp`, `--force`, `--reserve`, `--relayed`.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::dhcp::subnet::SubnetConfig;
use crate::dhcp::watch::Wish;
use crate::wire::MacAddr;

use super::Range;

/// `--dhcp PART` and `--force`, which may also be meant for a kickstart.
pub(super) fn wish(part: Option<&str>, force: bool, has_kickstart: bool) -> Result<Wish, String> {
    let wish = match part {
        None | Some("auto") => Wish::Auto,
        Some("full") => Wish::Full { force },
        Some("proxy") => Wish::Proxy,
        Some("off") => Wish::Off,
        Some(other) => return Err(format!("--dhcp {other}: write auto, full, proxy or off")),
    };
    match wish {
        Wish::Full { .. } => Ok(wish),
        _ if force && !has_kickstart => Err(
            "--force goes with --dhcp full: it gives addresses although another server does; or with --ks: it serves a \
             kickstart that has errors"
                .into(),
        ),
        _ => Ok(wish),
    }
}

/// `--reply-delay MS`.
pub(super) fn reply_delay(text: Option<&str>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    let millis = text.parse().ok().filter(|millis| *millis <= 1000);
    millis.map(Duration::from_millis).ok_or_else(|| {
        format!("--reply-delay {text}: write a number of milliseconds from 0 to 1000, such as 50")
    })
}

/// `--reserve MAC=IP`, repeated.
pub(super) fn reservations(texts: &[String]) -> Result<Vec<(MacAddr, Ipv4Addr)>, String> {
    let (mut machines, mut addresses) = (HashSet::new(), HashSet::new());
    texts
        .iter()
        .map(|text| {
            let (mac, address) = text.split_once('=').unwrap_or((text, ""));
            let parsed = mac.trim().parse::<MacAddr>().ok().zip(address.trim().parse::<Ipv4Addr>().ok());
            let (mac, address) = parsed
                .filter(|(mac, _)| !mac.is_multicast())
                .ok_or_else(|| format!("--reserve {text}: write it as 52:54:00:12:34:56=192.168.100.20"))?;
            if !machines.insert(mac) {
                return Err(format!("--reserve {text}: {mac} has an address already; give each machine one"));
            }
            if !addresses.insert(address) {
                return Err(format!(
                    "--reserve {text}: {address} is another machine's already; give each its own"
                ));
            }
            Ok((mac, address))
        })
        .collect()
}

/// `--relayed NET/LEN=A-B`, repeated.
pub(super) fn relayed(texts: &[String]) -> Result<Vec<SubnetConfig>, String> {
    texts.iter().map(|text| one_relayed(text).map_err(|why| format!("--relayed {text}: {why}"))).collect()
}

fn one_relayed(text: &str) -> Result<SubnetConfig, String> {
    const FORM: &str = "write it as 10.20.0.0/24=10.20.0.50-10.20.0.99";
    let (network, range) = text.split_once('=').ok_or(FORM)?;
    let (network, prefix) = network.split_once('/').ok_or(FORM)?;
    let network: Ipv4Addr = network.trim().parse().map_err(|_| FORM)?;
    let prefix_len: u8 = prefix
        .trim()
        .parse()
        .ok()
        .filter(|len| (8..=30).contains(len))
        .ok_or("the prefix length is 8 to 30")?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
    let Range::Addresses(first, last) = range.parse::<Range>()? else {
        return Err(FORM.into());
    };
    if [first, last].iter().any(|end| u32::from(*end) & mask != u32::from(network) & mask) {
        return Err(format!("{first}-{last} is not inside {network}/{prefix_len}"));
    }
    Ok(SubnetConfig { prefix_len, first, last, router: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_to_play_is_a_word() {
        assert_eq!(wish(None, false, false), Ok(Wish::Auto));
        assert_eq!(wish(Some("full"), true, false), Ok(Wish::Full { force: true }));
        assert_eq!(wish(Some("proxy"), false, false), Ok(Wish::Proxy));
        assert_eq!(wish(Some("off"), false, false), Ok(Wish::Off));
        for (part, force, named) in [(Some("on"), false, "--dhcp on"), (None, true, "--dhcp full")] {
            assert!(wish(part, force, false).unwrap_err().contains(named));
        }
    }

    #[test]
    fn a_delay_is_a_second_at_most() {
        assert_eq!(reply_delay(None), Ok(Duration::ZERO));
        assert_eq!(reply_delay(Some("50")), Ok(Duration::from_millis(50)));
        for text in ["1001", "-1", "x", ""] {
            assert!(reply_delay(Some(text)).unwrap_err().contains("--reply-delay"), "{text}");
        }
    }

    #[test]
    fn a_machine_has_one_address_and_an_address_one_machine() {
        let parse =
            |texts: &[&str]| reservations(&texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let good = parse(&["52:54:00:00:00:01=10.0.0.5", "52-54-00-00-00-02 = 10.0.0.6"]).unwrap();
        assert_eq!(good.len(), 2);
        for bad in [
            &["52:54:00:00:00:01"][..],
            &["52:54:00:00:00:01=10.0.0"],
            &["53:54:00:00:00:01=10.0.0.5"],
            &["52:54:00:00:00:01=10.0.0.5", "52:54:00:00:00:01=10.0.0.6"],
            &["52:54:00:00:00:01=10.0.0.5", "52:54:00:00:00:02=10.0.0.5"],
        ] {
            assert!(parse(bad).unwrap_err().contains("--reserve"), "{bad:?}");
        }
    }

    #[test]
    fn a_network_behind_a_relay_has_its_range() {
        let config = one_relayed("10.20.0.0/24=10.20.0.50-99").unwrap();
        assert_eq!(config.prefix_len, 24);
        assert_eq!((config.first, config.last), ([10, 20, 0, 50].into(), [10, 20, 0, 99].into()));
        for bad in [
            "",
            "10.20.0.0=1-2",
            "10.20.0.0/24",
            "10.20.0.0/31=1-2",
            "10.20.0.0/24=10.20.1.1-10.20.1.2",
            "a/24=1-2",
        ] {
            assert!(one_relayed(bad).is_err(), "{bad}");
        }
    }
}
