//! What iPXE makes of offers: when it leaves discovery, and where it goes (iPXE net/udp/dhcp.c, usr/autoboot.c).

use std::net::Ipv4Addr;

use crate::wire::dhcp_decoder::Decoded;

/// How long it waits for a proxy after it began (`PROXYDHCP_DISC_TIMEOUT`).
pub(crate) const PROXY_WAIT_MS: u32 = 2000;

/// One offer that counts.
#[derive(Clone, Debug)]
struct Heard {
    message: Decoded,
    priority: i8,
}

/// `struct dhcp_session` while it looks for servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discovery {
    offer: Option<Heard>,
    proxy: Option<Heard>,
}

/// What it does when it has its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Fetches this: a URL, or a file by TFTP.
    Load(String),
    /// Asks the proxy on port 4011 first, which costs 2 seconds if nobody answers.
    AskProxy(Ipv4Addr),
    /// Has no file: goes on to the next card.
    Nothing,
}

impl Discovery {
    /// `dhcp_discovery_rx`: hears a reply from a port; whether it sends its REQUEST now.
    pub(crate) fn hear(&mut self, bytes: &[u8], source_port: u16, elapsed_ms: u32) -> bool {
        let Ok(message) = Decoded::read(bytes) else { return self.is_over(elapsed_ms) };
        let kind = message.option(53).map(<[u8]>::to_vec);
        let is_offer = kind.is_none() || kind == Some(vec![2]);
        if source_port == 67 && message.op == 2 && is_offer {
            let has_server = message.option(54).is_some() || kind.is_none();
            let heard = Heard { priority: priority(&message), message };
            // With equal priority the later wins.
            let beats = |old: &Option<Heard>| old.as_ref().is_none_or(|old| heard.priority >= old.priority);
            if !heard.message.yiaddr.is_unspecified() && has_server && beats(&self.offer) {
                self.offer = Some(heard.clone());
            }
            if is_pxe(&heard.message) && beats(&self.proxy) {
                self.proxy = Some(heard);
            }
        }
        self.is_over(elapsed_ms)
    }

    /// The address it asks for, and from whom.
    pub(crate) fn chosen(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let offer = &self.offer.as_ref()?.message;
        Some((offer.yiaddr, offer.ipv4(54).unwrap_or(Ipv4Addr::UNSPECIFIED)))
    }

    /// Discovery ends with an offer, and one of: 175.176, a proxy's offer, time.
    pub(crate) fn is_over(&self, elapsed_ms: u32) -> bool {
        let needs_no_proxy = self.offer.as_ref().is_some_and(|offer| no_proxy(&offer.message));
        self.offer.is_some() && (needs_no_proxy || self.proxy.is_some() || elapsed_ms > PROXY_WAIT_MS)
    }

    /// `dhcp_request_rx`: hears the reply to its REQUEST; `None` when it is not the one it waits for.
    pub(crate) fn acknowledged(&self, bytes: &[u8], source_port: u16) -> Option<NextStep> {
        let ack = Decoded::read(bytes).ok()?;
        let (address, server) = self.chosen()?;
        let is_answer = source_port == 67
            && ack.option(53) == Some(&[5])
            && ack.yiaddr == address
            && ack.ipv4(54) == Some(server);
        if !is_answer {
            return None;
        }
        let proxy = self.proxy.as_ref().filter(|_| !no_proxy(&ack)).map(|heard| &heard.message);
        Some(match proxy {
            Some(proxy) if !has_pxe_options(proxy) => NextStep::AskProxy(
                Some(proxy.siaddr).filter(|ip| !ip.is_unspecified()).or(proxy.ipv4(54)).unwrap_or(server),
            ),
            _ => {
                // The proxy's settings are looked at before the server's.
                let named = [proxy, Some(&ack)].into_iter().flatten().find_map(filename);
                named.map_or(NextStep::Nothing, NextStep::Load)
            }
        })
    }
}

/// The `file` field goes before option 67.
fn filename(message: &Decoded) -> Option<String> {
    let option = || message.text(67).map(|name| name.trim_end_matches('\0').to_owned());
    let name = Some(message.file_name()).filter(|name| !name.is_empty()).or_else(option)?;
    (!name.is_empty()).then_some(name)
}

/// `dhcp_has_pxeopts`: a next server and a file, or a boot menu.
fn has_pxe_options(message: &Decoded) -> bool {
    let has_file = !message.siaddr.is_unspecified() && filename(message).is_some();
    has_file || message.option(43).is_some_and(|info| field(info, 9).is_some())
}

fn is_pxe(message: &Decoded) -> bool {
    message.option(60).is_some_and(|class| class.starts_with(b"PXEClient"))
}

fn no_proxy(message: &Decoded) -> bool {
    let flag = message.option(175).and_then(|option| field(option, 176));
    flag.is_some_and(|value| value.iter().any(|&byte| byte != 0))
}

fn priority(message: &Decoded) -> i8 {
    let value = message.option(175).and_then(|option| field(option, 1));
    value.and_then(|value| value.first().copied()).map_or(0, |byte| i8::from_be_bytes([byte]))
}

fn field(option: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = option;
    while let [tag, len, tail @ ..] = rest {
        let (data, tail) = tail.split_at_checked(usize::from(*len))?;
        if *tag == wanted {
            return Some(data);
        }
        rest = tail;
    }
    None
}
