//! What happened: one stream for the terminal, the log and (later) the web page.
//!
//! An event has a stable short key ([`What::key`]), facts ([`What::facts`]), and a sentence ([`What::sentence`]).

use std::net::Ipv4Addr;

use crate::content::Protocol;
use crate::machine::Report;
use crate::wire::MacAddr;

/// One observed step of one machine's boot, or of the server itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// Whose step it is; `None` for the server's own.
    pub mac: Option<MacAddr>,
    /// The machine's address, where it has one.
    pub ip: Option<Ipv4Addr>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The server answers from now on.
    Ready {
        /// What it serves, as people name it.
        image: String,
        /// Its own address.
        server: Ipv4Addr,
        /// First and last address it gives, where it gives any.
        pool: Option<(Ipv4Addr, Ipv4Addr)>,
        /// Where its files are found by HTTP.
        url: String,
    },
    /// One of several images that are served.
    Image {
        /// Its short name, in the menu, in names and in a list of machines.
        id: String,
        /// What it is, as people name it.
        name: String,
        /// The file, as the user named it.
        file: String,
    },
    /// The server asks who else serves this wire; nobody is answered before that is known.
    Asking {
        /// How long that takes, and why.
        text: String,
    },
    /// The part that the server plays on this wire from now on.
    Dhcp {
        /// `full`, `proxy` or `off`.
        mode: &'static str,
        /// Why, and what follows.
        text: String,
    },
    /// How often each outcome was.
    Counters {
        /// Names and numbers.
        counts: Vec<(String, u64)>,
    },
    /// The server stops.
    Stopping,
    /// Something a person should know; the rest goes on.
    Warning {
        /// What is wrong and what to do about it.
        text: String,
    },
    /// Something about a kickstart that a person may not want; nothing has to be done.
    Advice {
        /// One finding, or how many there are and how to see them.
        text: String,
    },
    /// The medium with an image went away, came back, or was replaced by another.
    Medium {
        /// The image, as the user named it.
        image: String,
        /// `gone`, `back` or `replaced`.
        state: &'static str,
        /// What that means, and what to do.
        text: String,
    },
    /// An image was compared with its own checksums.
    Checked {
        /// The image, as the user named it.
        image: String,
        /// `good`, `damaged` or `unreadable`.
        verdict: &'static str,
        /// What was compared, or what is wrong and what to do about it.
        text: String,
    },
    /// A machine asked for the first time in this run, or with another program than before.
    Discovered {
        /// Its firmware or loader, as people name it.
        client: String,
        /// Its architecture, as people name it, if it says.
        arch: Option<String>,
    },
    /// An address was offered.
    Offered {
        /// The boot file offered with it, a TFTP name or a URL.
        boot_file: Option<String>,
    },
    /// The machine took the address.
    Leased,
    /// It ignored an offer and gets one of another shape.
    Adapting {
        /// The shape it ignored.
        ignored: &'static str,
        /// What it gets now, as people read it.
        next: String,
    },
    /// It took an offer of this shape; remembered for the next time.
    Adapted {
        /// The shape.
        shape: &'static str,
    },
    /// An address we could give is used by somebody else.
    Conflict {
        /// The address.
        address: Ipv4Addr,
    },
    /// It is refused an address, with the reason.
    Refused {
        /// Why.
        reason: String,
    },
    /// There is nothing that this machine could boot.
    NothingToBoot {
        /// Why.
        reason: String,
    },
    /// A file went to the machine completely.
    Fetched {
        /// What the file is in its boot.
        step: Step,
        /// Its name.
        name: String,
        /// Its length in bytes.
        bytes: u64,
        /// How it went.
        protocol: Protocol,
    },
    /// Packages went to the machine: the sum since its installer started.
    Packages {
        /// How many.
        count: u64,
        /// How many bytes they have.
        bytes: u64,
    },
    /// A transfer broke off.
    Broken {
        /// The name asked for.
        name: String,
        /// Bytes sent until then.
        bytes: u64,
        /// Why.
        reason: String,
    },
    /// Somebody else asked for a machine's kickstart, with its secret, and did not get it.
    Intruder {
        /// Who asked.
        peer: Ipv4Addr,
    },
    /// The machine was given a name.
    Named {
        /// The name.
        name: String,
    },
    /// The machine's installer reports.
    Reported {
        /// What.
        report: Report,
        /// What it says about it, in one line; may be empty.
        text: String,
        /// The end of its log.
        log: Vec<String>,
    },
    /// The machine is installed, and boots from its disk.
    Local {
        /// When it came to that, in seconds since 1970.
        since: u64,
        /// By what it counts as installed without having said so.
        presumed: Option<String>,
    },
    /// A try came to nothing, without the installer saying so.
    TryFailed {
        /// Why.
        reason: String,
    },
    /// The machine gets nothing more until somebody says so.
    Held {
        /// Why.
        reason: String,
    },
    /// It is none of the machines that are served.
    Stranger,
}

/// What a fetched file is in the boot of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// The first program, or one that it loads.
    Loader,
    /// A generated menu or script.
    Menu,
    /// The installer's kernel.
    Kernel,
    /// Its initial ramdisk.
    Initrd,
    /// The answer file.
    Kickstart,
    /// The installer's runtime image.
    Stage2,
    /// `.treeinfo` and repository metadata.
    Metadata,
}

impl Step {
    /// The word for it in events.
    pub fn key(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Menu => "menu",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
            Self::Kickstart => "kickstart",
            Self::Stage2 => "stage2",
            Self::Metadata => "metadata",
        }
    }
}

/// One named fact of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// Numbers by name.
    Counts(Vec<(String, u64)>),
}

impl What {
    /// A stable word for this kind of event.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Image { .. } => "image",
            Self::Asking { .. } => "asking",
            Self::Dhcp { .. } => "dhcp",
            Self::Counters { .. } => "counters",
            Self::Stopping => "stopping",
            Self::Warning { .. } => "warning",
            Self::Advice { .. } => "advice",
            Self::Medium { .. } => "medium",
            Self::Checked { .. } => "checked",
            Self::Discovered { .. } => "discovered",
            Self::Offered { .. } => "offered",
            Self::Leased => "leased",
            Self::Adapting { .. } => "adapting",
            Self::Adapted { .. } => "adapted",
            Self::Conflict { .. } => "conflict",
            Self::Refused { .. } => "refused",
            Self::NothingToBoot { .. } => "nothing-to-boot",
            Self::Fetched { step, .. } => step.key(),
            Self::Packages { .. } => "packages",
            Self::Broken { .. } => "broken",
            Self::Intruder { .. } => "intruder",
            Self::Named { .. } => "named",
            Self::Reported { report, .. } => match report {
                Report::Started => "started",
                Report::Storage => "storage",
                Report::Packages => "installed",
                Report::Finished => "finished",
                Report::Failed => "failed",
            },
            Self::Local { .. } => "local",
            Self::TryFailed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::Stranger => "stranger",
        }
    }

    /// The facts by name, as a program wants them.
    pub fn facts(&self) -> Vec<(&'static str, Fact)> {
        let text = |value: &dyn ToString| Fact::Text(value.to_string());
        match self {
            Self::Ready { image, server, pool, url } => {
                let mut facts = vec![("image", text(image)), ("server", text(server))];
                if let Some((first, last)) = pool {
                    facts.extend([("pool_first", text(first)), ("pool_last", text(last))]);
                }
                facts.push(("url", text(url)));
                facts
            }
            Self::Image { id, name, file } => {
                vec![("id", text(id)), ("name", text(name)), ("file", text(file))]
            }
            Self::Asking { text: why } => vec![("text", text(why))],
            Self::Dhcp { mode, text: why } => vec![("mode", text(mode)), ("text", text(why))],
            Self::Counters { counts } => {
                vec![("counts", Fact::Counts(counts.clone()))]
            }
            Self::Adapting { ignored, next } => vec![("ignored", text(ignored)), ("next", text(next))],
            Self::Adapted { shape } => vec![("shape", text(shape))],
            Self::Conflict { address } => vec![("address", text(address))],
            Self::Stopping | Self::Leased | Self::Stranger => Vec::new(),
            Self::Named { name } => vec![("name", text(name))],
            Self::Reported { text: said, log, .. } => {
                let said = Some(("text", text(said))).filter(|_| !said.is_empty());
                let log = Some(("log", Fact::Text(log.join("\n")))).filter(|_| !log.is_empty());
                said.into_iter().chain(log).collect()
            }
            Self::Local { since, presumed } => {
                let presumed = presumed.as_ref().map(|presumed| ("presumed", text(presumed)));
                [("since", Fact::Number(*since))].into_iter().chain(presumed).collect()
            }
            Self::TryFailed { reason } | Self::Held { reason } => vec![("reason", text(reason))],
            Self::Warning { text: said } | Self::Advice { text: said } => vec![("text", text(said))],
            Self::Medium { image, state, text: why } => {
                vec![("image", text(image)), ("state", text(state)), ("text", text(why))]
            }
            Self::Checked { image, verdict, text: why } => {
                vec![("image", text(image)), ("verdict", text(verdict)), ("text", text(why))]
            }
            Self::Discovered { client, arch } => {
                let arch = arch.as_ref().map(|arch| ("arch", text(arch)));
                [("client", text(client))].into_iter().chain(arch).collect()
            }
            Self::Offered { boot_file } => {
                boot_file.iter().map(|boot_file| ("boot_file", text(boot_file))).collect()
            }
            Self::Refused { reason } | Self::NothingToBoot { reason } => vec![("reason", text(reason))],
            Self::Fetched { name, bytes, protocol, .. } => vec![
                ("name", text(name)),
                ("bytes", Fact::Number(*bytes)),
                ("protocol", Fact::Text(protocol_name(*protocol).to_ascii_lowercase())),
            ],
            Self::Packages { count, bytes } => {
                vec![("count", Fact::Number(*count)), ("bytes", Fact::Number(*bytes))]
            }
            Self::Broken { name, bytes, reason } => {
                vec![("name", text(name)), ("bytes", Fact::Number(*bytes)), ("reason", text(reason))]
            }
            Self::Intruder { peer } => vec![("peer", text(peer))],
        }
    }

    /// The event as a person reads it, in as many lines as that takes.
    pub fn sentences(&self) -> Vec<String> {
        match self {
            Self::Counters { counts } => groups(counts),
            _ => vec![self.sentence()],
        }
    }

    /// The event as a person reads it. Names that come from the wire are not escaped here; `ui` does that.
    pub fn sentence(&self) -> String {
        match self {
            Self::Ready { image, server, pool: Some((first, last)), url } => {
                format!("{image} on {server}, addresses {first} to {last}, {url}")
            }
            Self::Ready { image, server, pool: None, url } => format!("{image} on {server}, {url}"),
            Self::Image { id, name, file } => format!("{id}: {name}, {file}"),
            Self::Asking { text } | Self::Dhcp { text, .. } => text.clone(),
            Self::Counters { counts } => groups(counts).join("; "),
            Self::Adapting { next, .. } => format!("it ignored our offer; now: {next}"),
            Self::Adapted { shape } => format!("the shape of offer that it takes: {shape}; remembered"),
            Self::Conflict { address } => {
                format!(
                    "{address} is used by this machine, which did not get it from us; it is given to nobody for a while"
                )
            }
            Self::Stopping => "taking back what was changed on this computer".into(),
            Self::Warning { text }
            | Self::Advice { text }
            | Self::Medium { text, .. }
            | Self::Checked { text, .. } => text.clone(),
            Self::Discovered { client, arch: Some(arch) } if !client.contains(arch) => {
                format!("{client}, {arch}")
            }
            Self::Discovered { client, .. } => client.clone(),
            Self::Offered { boot_file: Some(boot_file) } => format!("with {boot_file}"),
            Self::Offered { boot_file: None } => "an address only".into(),
            Self::Leased => "the machine took its address".into(),
            Self::Refused { reason } | Self::NothingToBoot { reason } => reason.clone(),
            Self::Fetched { name, bytes, protocol, .. } => {
                format!("{name} ({}, {})", human_bytes(*bytes), protocol_name(*protocol))
            }
            Self::Packages { count, bytes } => format!("{count} fetched ({})", human_bytes(*bytes)),
            Self::Broken { name, bytes, reason } => {
                format!("{name} after {}: {reason}", human_bytes(*bytes))
            }
            Self::Intruder { peer } => {
                format!(
                    "{peer} asked for its kickstart with its secret, and was refused: somebody listens on this wire"
                )
            }
            Self::Named { name } => name.clone(),
            Self::Reported { report, text, .. } => {
                let what = match report {
                    Report::Started => "the installer works",
                    Report::Storage => "disks",
                    Report::Packages => "all packages are installed",
                    Report::Finished => "installed; its next start from the network boots its disk",
                    Report::Failed => "the installer gave up",
                };
                if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
            }
            Self::Local { presumed: None, .. } => {
                "it is installed and boots from its disk; install it again with --again and its MAC address"
                    .into()
            }
            Self::Local { presumed: Some(presumed), .. } => format!(
                "it boots from its disk and counts as installed: {presumed}; install it again with --again and its MAC address"
            ),
            Self::TryFailed { reason } => reason.clone(),
            Self::Held { reason } => {
                format!("it waits for somebody: {reason}; let it try again with --again and its MAC address")
            }
            Self::Stranger => "it is none of the machines of --only, and gets no answer".into(),
        }
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tftp => "TFTP",
        Protocol::Http => "HTTP",
    }
}

/// Counters as people read them: what is zero is left out, and what belongs together stands in one line.
fn groups(counts: &[(String, u64)]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, number) in counts.iter().filter(|(_, number)| *number > 0) {
        let (group, cause) = name.split_once('.').unwrap_or((name, ""));
        let one = format!("{cause} {number}").trim_start().to_owned();
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, members)) => members.push(one),
            None => groups.push((group, vec![one])),
        }
    }
    if groups.is_empty() {
        return vec!["nothing so far".to_owned()];
    }
    groups.iter().map(|(group, members)| format!("{group}: {}", members.join(", "))).collect()
}

/// A length as people say it: `512 bytes`, `8.2 MB`. MB are millions of bytes.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_as_people_say_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (8_247_232, "8.2 MB"),
            (10_737_418_240, "10.7 GB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn counters_are_grouped_and_what_is_zero_is_left_out() {
        let counts = [("ignored.flood", 3), ("sent.ack", 2), ("lost.too-long", 0), ("sent.offer", 7)];
        let counts = counts.map(|(name, number)| (name.to_owned(), number)).to_vec();
        let what = What::Counters { counts };
        assert_eq!(what.sentences(), ["ignored: flood 3", "sent: ack 2, offer 7"]);
        assert_eq!(what.sentence(), "ignored: flood 3; sent: ack 2, offer 7");
        let Some((_, Fact::Counts(all))) = what.facts().pop() else { panic!("no counts") };
        assert_eq!(all.len(), 4, "programs get all of them");
        assert_eq!(What::Counters { counts: vec![] }.sentences(), ["nothing so far"]);
    }

    #[test]
    fn a_fetched_file_is_named_after_its_step() {
        let what = What::Fetched {
            step: Step::Kernel,
            name: "images/pxeboot/vmlinuz".into(),
            bytes: 8_247_232,
            protocol: Protocol::Tftp,
        };
        assert_eq!(what.key(), "kernel");
        assert_eq!(what.sentence(), "images/pxeboot/vmlinuz (8.2 MB, TFTP)");
        assert!(what.facts().contains(&("bytes", Fact::Number(8_247_232))));
    }
}
