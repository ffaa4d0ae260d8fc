//! Machines behind relays: ISC dhcrelay and dnsmasq between them and us. Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/netns.rs"]
mod netns;

use dhcp_lab::{Lan, Pxego, Scratch, Tcpdump, Udhcpc, of_kind, text, wait_for_port};
use dhcp_machine::Machine;
use netns::{Netns, Running, run, wait_until};
use pxego::wire::dhcp::MessageType;

/// The server's network, and one behind a relay that is its router.
struct Campus {
    _near: Lan,
    _far: Lan,
    server: Netns,
    relay: Netns,
    client: Netns,
}

impl Campus {
    fn new() -> Self {
        let (near, far) = (Lan::new(), Lan::new());
        let (server, relay, client) = (near.host("s"), near.host("r"), far.host("c"));
        far.plug(&relay, "eth1");
        server.ip("addr add 192.168.7.1/24 dev eth0");
        relay.ip("addr add 192.168.7.254/24 dev eth0");
        relay.ip("addr add 10.20.0.1/24 dev eth1");
        server.ip("route add 10.20.0.0/24 via 192.168.7.254");
        run(relay.command("sysctl").args(["-q", "-w", "net.ipv4.ip_forward=1"]));
        Self { _near: near, _far: far, server, relay, client }
    }

    fn dhcrelay(&self) -> Running {
        // It adds option 82, and takes it out of answers before the client sees them.
        let arguments = ["-4", "-d", "-a", "-id", "eth1", "-iu", "eth0", "192.168.7.1"];
        let relay = self.relay.start("dhcrelay", &arguments);
        wait_for_port(&self.relay, 67);
        relay
    }

    fn dnsmasq(&self, scratch: &Scratch) -> Running {
        dhcp_lab::bare_dnsmasq(&self.relay, scratch, &["--dhcp-relay=10.20.0.1,192.168.7.1"])
    }
}

const RELAYED: [&str; 2] = ["--relayed", "10.20.0.0/24=10.20.0.50-10.20.0.99"];

/// Through a relay: an address of that network, renewed by unicast through the router, given back, and given again.
fn goes_through(campus: &Campus, scratch: &Scratch) {
    let mut pxego = Pxego::start(&campus.server, scratch, &RELAYED);
    let mut udhcpc = Udhcpc::start(&campus.client, scratch, &[]);
    let bound = udhcpc.wait_for("bound");
    assert!(bound.ip.starts_with("10.20.0."), "{bound:?}");
    assert_eq!((bound.server.as_str(), bound.router.as_str()), ("192.168.7.1", "10.20.0.1"));
    pxego.wait_for("leased");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("renew").ip, bound.ip);
    pxego.wait_for("leased");
    udhcpc.release();
    udhcpc.wait_for("deconfig");
    udhcpc.renew();
    assert_eq!(udhcpc.wait_for("bound").ip, bound.ip);
    udhcpc.stop();
    // Files too come through the router.
    for protocol in ["http", "tftp"] {
        let url = format!("{protocol}://192.168.7.1/images/pxeboot/vmlinuz");
        let mut curl = campus.client.command("curl");
        let got = curl.args(["--silent", "--show-error", "--max-time", "60", &url]).output().unwrap();
        assert_eq!(got.stdout, b"kernel", "{url}: {got:?}");
    }
    let (events, _) = pxego.stop();
    assert!(of_kind(&events, "warning").iter().all(|event| !text(event).contains("relay")), "{events:#?}");
}

#[test]
fn d35_d42_isc_dhcrelay_with_option_82() {
    let (campus, scratch) = (Campus::new(), Scratch::new("dhcrelay"));
    let _relay = campus.dhcrelay();
    let wire = Tcpdump::verbose(&campus.server, "udp port 67");
    goes_through(&campus, &scratch);
    let seen = wire.stop().join("\n");
    let agent_options = |direction: &str| {
        let messages = seen.split("BOOTP/DHCP, ").filter(|message| message.starts_with(direction));
        let relayed = messages.filter(|message| message.contains("Gateway-IP 10.20.0.1"));
        relayed.map(|message| message.contains("Agent-Information")).collect::<Vec<_>>()
    };
    let (asked, answered) = (agent_options("Request"), agent_options("Reply"));
    assert!(asked.len() >= 2 && answered.len() >= 2, "{seen}");
    assert!(asked.iter().chain(&answered).all(|has_it| *has_it), "{seen}");
}

#[test]
fn d35_dnsmasq_as_a_relay() {
    let (campus, scratch) = (Campus::new(), Scratch::new("dnsmasq-relay"));
    let _relay = campus.dnsmasq(&scratch);
    goes_through(&campus, &scratch);
}

#[test]
fn d44_a_relayed_request_without_a_pool_is_met_with_silence_that_is_told_once() {
    let (campus, scratch) = (Campus::new(), Scratch::new("d44"));
    let _relay = campus.dhcrelay();
    let mut pxego = Pxego::start(&campus.server, &scratch, &[]);
    let mut machine = Machine::new(&campus.client, [0x52, 0x54, 0, 0, 0x44, 1]);
    for _ in 0..3 {
        machine.xid += 1;
        machine.broadcast(&machine.request(MessageType::Discover));
    }
    wait_until("they came through the relay", || pxego.counters()["ignored.relayed"] == 3);
    machine.hears_nothing();
    let (events, _) = pxego.stop();
    let told: Vec<_> =
        of_kind(&events, "warning").into_iter().filter(|event| text(event).contains("10.20.0.1")).collect();
    assert_eq!(told.len(), 1, "{events:#?}");
    assert!(text(told[0]).contains("--relayed"), "{told:?}");
}
