//! Replies that adapt: a client that repeats itself instead of moving on is given the next shape of offer.
//!
//! Much firmware ignores one shape of PXE offer and takes another (field guide §2.5, §2.7, §2.10). What led to a fetched
//! loader is remembered for the machine, and for machines of its kind: the card's manufacturer and the architecture.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use crate::boot::client::{Client, Firmware};
use crate::order;
use crate::wire::MacAddr;

use super::Mode;

/// Most machines whose standing is kept, and most lines that are remembered.
const MAX_MACHINES: usize = 4096;

/// After so many offers of ours that led to nothing the next shape may come.
const PATIENT_OFFERS: u32 = 2;

/// From then on in a client's session it does, in seconds: EDK2 and ROMs ask at 0, 4, 12 and 28 s (PXE 2.1 figure 2-1).
const PATIENT_SECS: u16 = 12;

/// The same by our own clock, for firmware that leaves `secs` at 0.
const PATIENT_TIME: Duration = Duration::from_secs(11);

/// A pause after which the client has begun anew.
const NEW_SESSION: Duration = Duration::from_secs(40);

/// Offers of HTTP boot after which a person is told where firmware forbids it.
const HTTP_OFFERS: u32 = 3;

/// How an offer looks to PXE firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// Option 60 and an option 43 that says "load the file named here": no menu, no port 4011.
    Direct,
    /// Neither: a plain DHCP offer that names a file. Only where we give the address too.
    Plain,
    /// Option 60 alone: the client asks on port 4011 what to load.
    BootServer,
    /// A boot menu with an entry that is chosen at once; then port 4011.
    Menu,
}

impl Shape {
    /// Its word in events and in the state file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Plain => "plain",
            Self::BootServer => "boot-server",
            Self::Menu => "menu",
        }
    }

    fn from_key(key: &str) -> Option<Self> {
        [Self::Direct, Self::Plain, Self::BootServer, Self::Menu].into_iter().find(|shape| shape.key() == key)
    }

    /// The shapes for a client, in the order in which they are tried. Only PXE firmware is choosy.
    pub fn for_client(client: &Client, mode: Mode) -> &'static [Self] {
        match (client.firmware, mode) {
            (Firmware::Pxe, Mode::Full) => &[Self::Direct, Self::Plain, Self::Menu],
            (Firmware::Pxe, _) => &[Self::Direct, Self::BootServer, Self::Menu],
            _ => &[Self::Direct],
        }
    }
}

impl fmt::Display for Shape {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "the file named in the offer (option 43)",
            Self::Plain => "a plain DHCP offer with a file",
            Self::BootServer => "the file to be asked for on port 4011",
            Self::Menu => "a boot menu that chooses by itself",
        })
    }
}

/// Something about a client's way that people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// It ignored this shape and gets the next.
    Next {
        /// What it ignored.
        ignored: Shape,
        /// What it gets now.
        next: Shape,
    },
    /// It asks for HTTP boot again and again and takes no offer: most firmware accepts `https://` only until told otherwise
    /// (EDK2 `PcdAllowHttpConnections`).
    HttpRefused,
}

/// Machines that probably behave alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// The card's manufacturer: the first half of its address.
    oui: [u8; 3],
    arch_code: u16,
    is_proxy: bool,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    kind: Kind,
    /// Where it is among its shapes.
    at: usize,
    shape: Shape,
    /// Offers since it last moved on.
    offers: u32,
    /// Sessions of one offer that led to nothing.
    fruitless: u32,
    /// When this session's first offer left.
    since: Duration,
    seen: Duration,
    /// What it last said itself of the time it has been asking.
    secs: u16,
}

/// What every machine is offered now, and what is remembered of earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    standings: HashMap<MacAddr, Standing>,
    /// Where a machine was with another program than its last: firmware tries PXE and HTTP in turn.
    resting: HashMap<(MacAddr, Kind), Standing>,
    machines: HashMap<(MacAddr, bool), Shape>,
    kinds: HashMap<Kind, Shape>,
}

impl Ladder {
    /// What was remembered by an earlier run. Lines that make no sense are left out: the worst is to learn again.
    pub fn restore(lines: &str) -> Self {
        let mut ladder = Self::default();
        for line in lines.lines().take(2 * MAX_MACHINES) {
            ladder.learn_line(line);
        }
        ladder
    }

    fn learn_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let (who, mode, shape) = (words.next()?, words.next()?, Shape::from_key(words.next()?)?);
        let is_proxy = mode == "proxy";
        match who.split_once("/arch") {
            None => {
                self.machines.insert((who.parse().ok()?, is_proxy), shape);
            }
            Some((oui, arch)) => {
                let mac: MacAddr = format!("{oui}:00:00:00").parse().ok()?;
                let kind = Kind { oui: *mac.0.first_chunk()?, arch_code: arch.parse().ok()?, is_proxy };
                self.kinds.insert(kind, shape);
            }
        }
        Some(())
    }

    /// What is remembered, as [`Ladder::restore`] reads it: one line each, in a stable order.
    pub fn to_lines(&self) -> String {
        let mode = |is_proxy: bool| if is_proxy { "proxy" } else { "full" };
        let machines = self
            .machines
            .iter()
            .map(|((mac, is_proxy), shape)| format!("{mac} {} {}\n", mode(*is_proxy), shape.key()));
        let kinds = self.kinds.iter().map(|(kind, shape)| {
            let [a, b, c] = kind.oui;
            format!(
                "{a:02x}:{b:02x}:{c:02x}/arch{} {} {}\n",
                kind.arch_code,
                mode(kind.is_proxy),
                shape.key()
            )
        });
        let mut lines: Vec<String> = machines.chain(kinds).collect();
        order::by(&mut lines, Ord::cmp);
        lines.concat()
    }

    /// The shape for a DISCOVER, and what is to be told. The offer counts as made.
    pub fn offer(&mut self, client: &Client, mode: Mode, secs: u16, now: Duration) -> (Shape, Option<Rung>) {
        let shapes = Shape::for_client(client, mode);
        let first = shapes.first().copied().unwrap_or(Shape::Direct);
        let kind = kind_of(client, mode);
        let remembered = self.remembered(client.mac, kind).filter(|shape| shapes.contains(shape));
        if !self.standings.contains_key(&client.mac) {
            self.make_room();
        }
        let start = |shape: Shape| {
            let at = shapes.iter().position(|other| *other == shape).unwrap_or(0);
            Standing { kind, at, shape, offers: 0, fruitless: 0, since: now, seen: now, secs }
        };
        let standing = self.standings.entry(client.mac).or_insert_with(|| start(remembered.unwrap_or(first)));
        if standing.kind != kind {
            // Another program of the machine, or another part for us to play.
            let before = *standing;
            let rested = self.resting.remove(&(client.mac, kind));
            *standing = rested.unwrap_or_else(|| start(remembered.unwrap_or(first)));
            if (before.offers > 0 || before.fruitless > 0) && self.resting.len() < MAX_MACHINES {
                self.resting.insert((client.mac, before.kind), before);
            }
        }
        // Beside another server a ROM that ignores us may ask once, take the address there and give up: then every start of
        // the machine is an offer that led to nothing.
        let is_new_session = now.saturating_sub(standing.seen) > NEW_SESSION || secs < standing.secs;
        if is_new_session {
            let was_one = u32::from(kind.is_proxy && standing.offers == 1);
            standing.fruitless = standing.fruitless.saturating_add(was_one);
            standing.offers = 0;
        }
        if standing.offers == 0 {
            standing.since = now;
        }
        (standing.seen, standing.secs) = (now, secs);
        let is_late = secs >= PATIENT_SECS || now.saturating_sub(standing.since) >= PATIENT_TIME;
        let is_ignored = standing.offers >= PATIENT_OFFERS && is_late || standing.fruitless >= PATIENT_OFFERS;
        let rung = if is_ignored && shapes.len() > 1 {
            standing.fruitless = 0;
            let ignored = standing.shape;
            standing.at = standing.at.saturating_add(1);
            if standing.at >= shapes.len() {
                standing.at = 0;
            }
            standing.shape = shapes.get(standing.at).copied().unwrap_or(first);
            Some(Rung::Next { ignored, next: standing.shape })
        } else if client.firmware == Firmware::HttpBoot && standing.offers == HTTP_OFFERS {
            Some(Rung::HttpRefused)
        } else {
            None
        };
        standing.offers = standing.offers.saturating_add(1);
        (standing.shape, rung)
    }

    /// The shape the machine was last offered.
    pub fn current(&self, mac: MacAddr) -> Option<Shape> {
        self.standings.get(&mac).map(|standing| standing.shape)
    }

    /// The machine moved on: it took the offer.
    pub fn moved_on(&mut self, mac: MacAddr) {
        if let Some(standing) = self.standings.get_mut(&mac) {
            (standing.offers, standing.fruitless) = (0, 0);
        }
    }

    /// The machine fetched its loader: the shape it was offered is the right one. Returns it if that is news, to be told and
    /// to be written down.
    pub fn loaded(&mut self, mac: MacAddr) -> Option<Shape> {
        let standing = self.standings.get_mut(&mac)?;
        (standing.offers, standing.fruitless) = (0, 0);
        let (kind, shape, is_first) = (standing.kind, standing.shape, standing.at == 0);
        let known = self.machines.get(&(mac, kind.is_proxy)).copied();
        // That the first shape works need not be written down, unless another one was.
        if known == Some(shape) || (known.is_none() && is_first && !self.kinds.contains_key(&kind)) {
            return None;
        }
        if self.machines.len() < MAX_MACHINES {
            self.machines.insert((mac, kind.is_proxy), shape);
        }
        if self.kinds.len() < MAX_MACHINES {
            self.kinds.insert(kind, shape);
        }
        Some(shape)
    }

    fn remembered(&self, mac: MacAddr, kind: Kind) -> Option<Shape> {
        self.machines.get(&(mac, kind.is_proxy)).or_else(|| self.kinds.get(&kind)).copied()
    }

    fn make_room(&mut self) {
        if self.standings.len() < MAX_MACHINES {
            return;
        }
        let oldest = self.standings.iter().min_by_key(|(_, standing)| standing.seen).map(|(mac, _)| *mac);
        if let Some(mac) = oldest {
            self.standings.remove(&mac);
        }
    }
}

fn kind_of(client: &Client, mode: Mode) -> Kind {
    let [a, b, c, ..] = client.mac.0;
    Kind { oui: [a, b, c], arch_code: client.arch_code, is_proxy: mode != Mode::Full }
}
