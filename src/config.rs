//! What the user meant: options checked once, every default with its reason.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::answer::storage::Wipe;
use crate::boot::site::MenuWish;
use crate::cli::{Options, UsageError};
use crate::dhcp::subnet::SubnetConfig;
use crate::dhcp::watch::Wish;
use crate::machine::NamePattern;
use crate::tftp::transfer::RollOver;
use crate::wire::MacAddr;

mod images;
mod loaders;
mod machines;
mod networks;

pub use images::Overlay;
pub use loaders::LoaderFile;
pub use machines::Again;

/// Our address where neither the user nor the interface has one: a private network that home routers rarely use.
pub const DEFAULT_ADDRESS: Cidr = Cidr { address: Ipv4Addr::new(192, 168, 100, 1), prefix: 24 };

/// Last byte of the first and last address of the default pool: room for fixed addresses on both sides.
const DEFAULT_POOL: (u8, u8) = (100, 200);

/// Where leases are kept: outlives a restart, and is where a service would keep them (FHS 3.0 §5.8).
const DEFAULT_STATE: &str = "/var/lib/pxego";

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The interface to serve on; `None` asks for the list of candidates.
    pub iface: Option<String>,
    /// Whether images are compared with their checksums before they are served.
    pub verify: bool,
    /// The install images, and folders of them; at least one.
    pub images: Vec<PathBuf>,
    /// What the user wishes of the menu.
    pub menu: MenuWish,
    /// Folders laid over images.
    pub overlays: Vec<Overlay>,
    /// Where packages come from when an image has none; without a trailing slash.
    pub mirror: Option<String>,
    /// The kickstart.
    pub kickstart: Option<PathBuf>,
    /// What a kickstart is written from where none is given.
    pub written: Option<Written>,
    /// Whether a kickstart with errors is served all the same.
    pub force: bool,
    /// The list of machines.
    pub machines: Option<PathBuf>,
    /// The machines that are served: MAC addresses, or the path of a list.
    pub only: Option<String>,
    /// Names by order of appearance.
    pub names: Option<NamePattern>,
    /// What is armed again.
    pub again: Vec<Again>,
    /// Whether kickstarts report how far the install is.
    pub has_hooks: bool,
    /// Loaders that the user gives; one for each kind of machine.
    pub loaders: Vec<LoaderFile>,
    /// The address wished for.
    pub address: Option<Cidr>,
    /// The pool wished for.
    pub range: Option<Range>,
    /// The part to play beside other DHCP servers.
    pub dhcp: Wish,
    /// How long an offer beside another server's is held back.
    pub reply_delay: Duration,
    /// Addresses kept for one machine each.
    pub reservations: Vec<(MacAddr, Ipv4Addr)>,
    /// Networks behind relays.
    pub relayed: Vec<SubnetConfig>,
    /// The HTTP server's port.
    pub http_port: u16,
    /// The state directory.
    pub state: PathBuf,
    /// How events are written.
    pub log: LogForm,
    /// Whether TFTP transfers all go from port 69.
    pub tftp_single_port: bool,
    /// What follows block 65535 of a TFTP transfer.
    pub tftp_rollover: RollOver,
    /// The disk that images which are told of one install themselves to, whatever is on it.
    pub disk: Option<String>,
    /// 0: events; 1: every request; 2: every packet.
    pub verbosity: u8,
}

/// What a kickstart is written from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The profile's file; everything by default without one.
    pub profile: Option<PathBuf>,
    /// The disk that may be erased, over what the profile says.
    pub wipe: Option<Wipe>,
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Checks what was typed.
    ///
    /// # Errors
    /// The first option that cannot be understood, and how to write it.
    pub fn from_options(options: &Options) -> Result<Self, UsageError> {
        let usage = |text: String| UsageError(format!("{text}\nType \"pxego --help\" for the options."));
        if options.iso.is_empty() {
            let iface = options.iface.as_deref().unwrap_or("eth0");
            return Err(usage(format!(
                "No install image given. Name one with --iso:\n  sudo pxego --iface {iface} --iso CentOS.iso --ks ks.cfg"
            )));
        }
        let http_port = match options.http_port.as_deref() {
            None => 80,
            Some(text) => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                usage(format!(
                    "--http-port {text}: not a port number; write one from 1 to 65535, such as 8080"
                ))
            })?,
        };
        let address = options
            .address
            .as_deref()
            .map(Cidr::from_str)
            .transpose()
            .map_err(|error| usage(format!("--address: {error}; write it as 192.168.100.1/24")))?;
        let range = options.range.as_deref().map(Range::from_str).transpose().map_err(|error| {
            usage(format!("--range: {error}; write it as 192.168.100.100-192.168.100.200"))
        })?;
        let dhcp =
            networks::wish(options.dhcp.as_deref(), options.force, options.ks.is_some()).map_err(usage)?;
        let reply_delay = networks::reply_delay(options.reply_delay.as_deref()).map_err(usage)?;
        let reservations = networks::reservations(&options.reserve).map_err(usage)?;
        let relayed = networks::relayed(&options.relayed).map_err(usage)?;
        let loaders = loaders::loaders(&options.loader).map_err(usage)?;
        let log = match options.log.as_deref() {
            None | Some("text") => LogForm::Text,
            Some("json") => LogForm::Json,
            Some(other) => return Err(usage(format!("--log {other}: write text or json"))),
        };
        let tftp_rollover = match options.tftp_rollover.as_deref() {
            None | Some("0") => RollOver::ToZero,
            Some("1") => RollOver::ToOne,
            Some(other) => return Err(usage(format!("--tftp-rollover {other}: write 0 or 1"))),
        };
        Ok(Self {
            iface: options.iface.clone(),
            verify: options.verify,
            images: options.iso.clone(),
            menu: images::menu(options.default.as_deref(), options.timeout.as_deref()).map_err(usage)?,
            overlays: options.overlay.iter().map(|text| Overlay::parse(text)).collect(),
            mirror: images::mirror(options.mirror.as_deref()).map_err(usage)?,
            kickstart: options.ks.clone(),
            written: written(options).map_err(usage)?,
            disk: disk(options),
            force: options.force,
            machines: options.machines.clone(),
            only: options.only.clone(),
            names: options.name.as_deref().map(NamePattern::parse).transpose().map_err(usage)?,
            again: machines::again(&options.again).map_err(usage)?,
            has_hooks: !options.no_hooks,
            loaders,
            address,
            range,
            dhcp,
            reply_delay,
            reservations,
            relayed,
            http_port,
            state: options.state.clone().unwrap_or_else(|| DEFAULT_STATE.into()),
            log,
            tftp_single_port: options.tftp_single_port,
            tftp_rollover,
            verbosity: u8::try_from(options.verbose).unwrap_or(u8::MAX),
        })
    }
}

/// The disk that is named by `--wipe` beside an answer file: where that is no kickstart, nothing on the machine could judge
/// more than a name.
fn disk(options: &Options) -> Option<String> {
    let is_beside = options.ks.is_some() && options.profile.is_none();
    let wipe = options.wipe.as_deref().filter(|_| is_beside)?;
    wipe.parse().ok().and_then(|wipe: Wipe| wipe.device())
}

/// What a kickstart is written from; `None` when one is given, or the installer is to ask.
fn written(options: &Options) -> Result<Option<Written>, String> {
    let (profile, wipe) = (&options.profile, &options.wipe);
    if profile.is_none() && wipe.is_none() || disk(options).is_some() {
        return Ok(None);
    }
    if options.ks.is_some() {
        let option = if wipe.is_some() { "--wipe" } else { "--profile" };
        return Err(format!("{option} writes a kickstart, and --ks gives one; leave one of them out"));
    }
    Ok(Some(Written {
        profile: profile.clone(),
        wipe: wipe.as_deref().map(str::parse).transpose().map_err(|error| format!("--wipe: {error}"))?,
    }))
}

/// An address in its network, as `192.168.100.1/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix in bits, 1 to 32.
    pub prefix: u8,
}

impl Cidr {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The netmask, such as `255.255.255.0`.
    pub fn netmask(self) -> Ipv4Addr {
        self.mask().into()
    }

    /// The first address of the network.
    pub fn network(self) -> Ipv4Addr {
        (u32::from(self.address) & self.mask()).into()
    }

    /// The last address of the network.
    pub fn broadcast(self) -> Ipv4Addr {
        (u32::from(self.address) | !self.mask()).into()
    }

    /// Whether `address` is in the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.network())
    }

    /// Whether the two networks share addresses.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.network()) || other.contains(self.network())
    }

    /// The first and last address that a machine can have; both ends of a network of two (RFC 3021).
    pub fn hosts(self) -> (Ipv4Addr, Ipv4Addr) {
        let ends = (u32::from(self.network()), u32::from(self.broadcast()));
        if self.prefix >= 31 {
            (ends.0.into(), ends.1.into())
        } else {
            ((ends.0 + 1).into(), (ends.1 - 1).into())
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').ok_or_else(|| format!("{text} has no prefix length"))?;
        let address: Ipv4Addr = address.parse().map_err(|_| format!("{address} is not an IPv4 address"))?;
        let prefix: u8 = prefix
            .parse()
            .ok()
            .filter(|prefix| (8..=31).contains(prefix))
            .ok_or_else(|| format!("/{prefix} is not a prefix length from 8 to 31"))?;
        let cidr = Self { address, prefix };
        if address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_loopback()
        {
            return Err(format!("{address} cannot be a computer's address on a network"));
        }
        if prefix < 31 && (address == cidr.network() || address == cidr.broadcast()) {
            return Err(format!(
                "{address} is the {} of its network; take an address between {} and {}",
                if address == cidr.network() { "name" } else { "broadcast address" },
                cidr.hosts().0,
                cidr.hosts().1
            ));
        }
        Ok(cidr)
    }
}

/// A pool as it was typed: two addresses, or the last numbers of two addresses of our network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// `192.168.100.100-192.168.100.200`.
    Addresses(Ipv4Addr, Ipv4Addr),
    /// `100-200`: last bytes in our own network.
    LastBytes(u8, u8),
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim(), last.trim());
        if let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<Ipv4Addr>()) {
            return ordered(first, last).map(|(first, last)| Self::Addresses(first, last));
        }
        if let (Ok(first), Ok(last)) = (first.parse::<u8>(), last.parse::<u8>()) {
            return ordered(first, last).map(|(first, last)| Self::LastBytes(first, last));
        }
        if let (Ok(first), Ok(last)) = (first.parse::<Ipv4Addr>(), last.parse::<u8>()) {
            let [a, b, c, _] = first.octets();
            return ordered(first, Ipv4Addr::new(a, b, c, last))
                .map(|(first, last)| Self::Addresses(first, last));
        }
        Err(format!("{text} is not a pair of addresses"))
    }
}

fn ordered<T: Ord + fmt::Display>(first: T, last: T) -> Result<(T, T), String> {
    if first <= last { Ok((first, last)) } else { Err(format!("{first} comes after {last}")) }
}

/// Our address and the pool, settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Our address in its network.
    pub server: Cidr,
    /// Whether the interface must be given that address.
    pub add: bool,
    /// First and last address to give.
    pub pool: (Ipv4Addr, Ipv4Addr),
}

impl Addressing {
    /// Settles the addresses: what the user wished, else what the interface has, else [`DEFAULT_ADDRESS`] moved out of
    /// the way of the networks of `others`, this computer's other interfaces.
    ///
    /// # Errors
    /// Why the wish cannot be met, and what to type instead.
    pub fn settle(
        wish: Option<Cidr>,
        range: Option<Range>,
        own: &[Cidr],
        others: &[(String, Cidr)],
    ) -> Result<Self, String> {
        let server = match (wish, own.first()) {
            (Some(wish), _) => {
                if let Some((name, other)) = others.iter().find(|(_, other)| other.overlaps(wish)) {
                    return Err(format!(
                        "{wish} overlaps the network {other} of {name}, so answers would leave there. \
                         Choose another with --address, for example {}",
                        free_network(others)
                    ));
                }
                wish
            }
            // A range in another of the interface's networks than the first means that network.
            (None, Some(first)) => match range {
                Some(Range::Addresses(start, _)) => {
                    *own.iter().find(|own| own.contains(start)).unwrap_or(first)
                }
                _ => *first,
            },
            (None, None) => free_network(others),
        };
        let add = !own.contains(&server);
        Ok(Self { server, add, pool: pool(server, range)? })
    }
}

/// [`DEFAULT_ADDRESS`], or the next network of its kind that no other interface has.
fn free_network(others: &[(String, Cidr)]) -> Cidr {
    let [a, b, c, d] = DEFAULT_ADDRESS.address.octets();
    (c..=254)
        .map(|c| Cidr { address: Ipv4Addr::new(a, b, c, d), prefix: DEFAULT_ADDRESS.prefix })
        .find(|candidate| others.iter().all(|(_, other)| !other.overlaps(*candidate)))
        .unwrap_or(DEFAULT_ADDRESS)
}

fn pool(server: Cidr, range: Option<Range>) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let [a, b, c, _] = server.address.octets();
    let byte = |last: u8| Ipv4Addr::new(a, b, c, last);
    let hosts = server.hosts();
    let (first, last) = match range {
        Some(Range::Addresses(first, last)) => (first, last),
        Some(Range::LastBytes(first, last)) => (byte(first), byte(last)),
        None if server.prefix <= 24 => (byte(DEFAULT_POOL.0), byte(DEFAULT_POOL.1)),
        None => hosts,
    };
    if !server.contains(first) || !server.contains(last) {
        return Err(format!(
            "the range {first}-{last} is not in the network of {server}. \
             Give one inside {}-{} with --range, or another --address",
            hosts.0, hosts.1
        ));
    }
    let (first, last) = (first.max(hosts.0), last.min(hosts.1));
    if first > last || (first == last && first == server.address) {
        return Err(format!(
            "the range has no address left to give. Give one inside {}-{} with --range",
            hosts.0, hosts.1
        ));
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn settled(
        wish: Option<&str>,
        range: Option<&str>,
        own: &[&str],
        others: &[&str],
    ) -> Result<String, String> {
        let own: Vec<Cidr> = own.iter().map(|text| cidr(text)).collect();
        let others: Vec<_> = others.iter().map(|text| ("wlan0".to_owned(), cidr(text))).collect();
        let range = range.map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}")));
        Addressing::settle(wish.map(cidr), range, &own, &others).map(|addressing| {
            let added = if addressing.add { " added" } else { "" };
            format!("{}{added} {}-{}", addressing.server, addressing.pool.0, addressing.pool.1)
        })
    }

    #[test]
    fn l29_addresses_are_settled_from_wish_interface_and_default() {
        let cases = [
            (
                "nothing known",
                settled(None, None, &[], &[]),
                "192.168.100.1/24 added 192.168.100.100-192.168.100.200",
            ),
            (
                "l29 moved out of the way",
                settled(None, None, &[], &["192.168.100.7/23"]),
                "192.168.102.1/24 added 192.168.102.100-192.168.102.200",
            ),
            (
                "the interface's own",
                settled(None, None, &["10.1.2.3/8"], &[]),
                "10.1.2.3/8 10.1.2.100-10.1.2.200",
            ),
            (
                "a wish",
                settled(Some("10.9.8.1/24"), Some("7-9"), &[], &[]),
                "10.9.8.1/24 added 10.9.8.7-10.9.8.9",
            ),
            (
                "a wish that is there",
                settled(Some("10.9.8.1/24"), None, &["10.1.1.1/24", "10.9.8.1/24"], &[]),
                "10.9.8.1/24 10.9.8.100-10.9.8.200",
            ),
            (
                "a range picks the network",
                settled(None, Some("10.9.8.5-10.9.8.6"), &["10.1.1.1/24", "10.9.8.1/24"], &[]),
                "10.9.8.1/24 10.9.8.5-10.9.8.6",
            ),
            (
                "a small network",
                settled(Some("10.0.0.1/30"), None, &[], &[]),
                "10.0.0.1/30 added 10.0.0.1-10.0.0.2",
            ),
            (
                "ends are not given",
                settled(Some("10.0.0.9/24"), Some("0-255"), &[], &[]),
                "10.0.0.9/24 added 10.0.0.1-10.0.0.254",
            ),
        ];
        for (name, actual, expected) in cases {
            assert_eq!(actual.as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_way_out() {
        let cases = [
            (settled(Some("10.0.0.1/24"), Some("10.0.1.5-10.0.1.9"), &[], &[]), "--range"),
            (settled(Some("10.0.0.1/24"), Some("1-1"), &[], &[]), "--range"),
            (
                settled(Some("192.168.100.1/24"), None, &[], &["192.168.100.7/24"]),
                "--address, for example 192.168.101.1/24",
            ),
        ];
        for (actual, named) in cases {
            let error = actual.expect_err("is refused");
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn mistyped_addresses_are_named() {
        for text in [
            "192.168.100.1",
            "192.168.100.0/24",
            "192.168.100.255/24",
            "1.2.3/24",
            "10.0.0.1/33",
            "224.0.0.1/24",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        for text in ["", "200-100", "10.0.0.9-10.0.0.1", "a-b", "10.0.0.1-300"] {
            assert!(text.parse::<Range>().is_err(), "{text}");
        }
        assert_eq!("10.0.0.5-9".parse(), Ok(Range::Addresses([10, 0, 0, 5].into(), [10, 0, 0, 9].into())));
    }

    #[test]
    fn options_are_checked_once() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options { iso: vec!["a.iso".into()], ..Options::default() };
            change(&mut options);
            Config::from_options(&options)
        };
        assert_eq!(with(|_| {}).map(|config| (config.http_port, config.log)), Ok((80, LogForm::Text)));
        for (change, named) in [
            ((|options| options.iso.clear()) as fn(&mut Options), "--iso"),
            (|options| options.timeout = Some("soon".into()), "--timeout soon"),
            (|options| options.mirror = Some("ftp.example.org".into()), "--mirror ftp.example.org"),
            (|options| options.http_port = Some("0".into()), "--http-port 0"),
            (|options| options.http_port = Some("70000".into()), "--http-port 70000"),
            (|options| options.address = Some("10.0.0.0/24".into()), "--address"),
            (|options| options.range = Some("9-1".into()), "--range"),
            (|options| options.log = Some("xml".into()), "--log xml"),
            (|options| options.tftp_rollover = Some("2".into()), "--tftp-rollover 2"),
        ] {
            let UsageError(text) = with(change).expect_err("is refused");
            assert!(text.contains(named) && text.contains("pxego --help"), "{text}");
        }
    }
}
