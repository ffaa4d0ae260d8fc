//! Machines of a list on a wire: who gets what, what is kept, and who gets nothing. Needs root, and what `demo/setup.sh test`
//! installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/dhcp_lab.rs"]
mod dhcp_lab;
#[path = "common/dhcp_machine.rs"]
mod dhcp_machine;
#[path = "common/netns.rs"]
mod netns;

use std::fs;

use dhcp_lab::{Lan, Pxego, Scratch, mac_of, of_kind, text};
use dhcp_machine::Machine;
use netns::Netns;
use pxego::wire::MacAddr;
use pxego::wire::dhcp::{Message, MessageType};
use pxego::wire::dhcp_option::Code;

const KICKSTART: &str = "url --url=http://192.168.100.1/\nlang en_US\nrootpw --iscrypted $6$salt$hash\n";

fn machine(netns: &Netns) -> Machine {
    let mac: MacAddr = mac_of(netns, "eth0").parse().unwrap();
    Machine::new(netns, mac.0)
}

/// A ROM's request has this too.
fn as_firmware(message: &mut Message) {
    message.options.push(Code::VENDOR_CLASS, b"PXEClient:Arch:00000:UNDI:002001");
    message.options.push(Code(93), &[0, 0]);
    message.options.push(Code(94), &[1, 2, 1]);
    message.options.push(Code::PARAMETER_LIST, &[1, 3, 54, 60, 66, 67]);
}

/// What curl says: the status, and the body.
fn curl(netns: &Netns, arguments: &[&str], path: &str) -> (String, String) {
    let url = if path.starts_with("http") { path.to_owned() } else { format!("http://192.168.100.1/{path}") };
    let mut curl = netns.command("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--write-out", "\n%{http_code}"]);
    let output = netns::run(curl.args(arguments).arg(url));
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

fn word<'a>(text: &'a str, start: &str) -> &'a str {
    let at = text.find(start).unwrap_or_else(|| panic!("no {start}: {text}"));
    text[at..].split_whitespace().next().unwrap()
}

/// One machine from its first request to the disk, and through a power cut of ours.
#[test]
fn s12_a_machine_of_the_list_is_installed_once_and_its_secret_stays_its_own() {
    let (lan, scratch) = (Lan::new(), Scratch::new("machines"));
    let (server, client, stranger) = (lan.host("s"), lan.host("c"), lan.host("x"));
    let mac = mac_of(&client, "eth0");
    let list = scratch.write(
        "machines.csv",
        &format!("MAC Address;Name;IP;Role\r\n{};node01;192.168.100.50;\"a;b\"\r\n", mac.to_uppercase()),
    );
    let kickstart = scratch.write("ks.cfg", KICKSTART);
    let arguments = ["--ks", &kickstart, "--machines", &list, "--only", &list, "-v"];
    let mut pxego = Pxego::start(&server, &scratch, &arguments);

    let mut firmware = machine(&client);
    assert_eq!(firmware.lease(as_firmware).message.yiaddr.to_string(), "192.168.100.50");
    let mut other = machine(&stranger);
    let mut discover = other.request(MessageType::Discover);
    as_firmware(&mut discover);
    other.broadcast(&discover);
    assert_eq!(pxego.wait_for("stranger")["mac"], mac_of(&stranger, "eth0"));

    client.ip("address add 192.168.100.50/24 dev eth0");
    stranger.ip("address add 192.168.100.60/24 dev eth0");
    let (_, menu) = curl(&client, &[], "boot.ipxe");
    let kickstart_url = word(&menu, "inst.ks=").trim_start_matches("inst.ks=");
    let token = kickstart_url.split('/').nth(4).unwrap();
    assert_eq!(curl(&stranger, &[], kickstart_url).0, "404");
    assert_eq!(text_of(&pxego.wait_for("intruder"), "peer"), "192.168.100.60");
    let (status, served) = curl(&client, &[], kickstart_url);
    assert!(status == "200" && served.starts_with(KICKSTART), "{served}");
    let hook = word(&served, "http://192.168.100.1/hook/").trim_end_matches("/$2");
    assert_eq!(curl(&client, &[], "t/el9/images/pxeboot/initrd.img").0, "200");

    let report =
        |word: &str, body: &str| curl(&client, &["--data-binary", body], &format!("{hook}/{word}")).0;
    let long = scratch.write("long", &"x".repeat(65_537));
    for (status, word, body) in [
        ("200", "started", "5.14\n\u{1b}[2Jserial 7\n"),
        ("413", "storage", &format!("@{long}")),
        ("404", "nothing", ""),
        // Longer than a head may be.
        ("200", "storage", &"part /\n".repeat(8000)),
    ] {
        assert_eq!(report(word, body), status, "{word}");
    }
    assert_eq!(curl(&client, &["--data-binary", "x"], &format!("hook/{}/finished", "0".repeat(32))).0, "404");
    assert_eq!(curl(&client, &["--data-binary", "x"], kickstart_url).0, "405");
    assert_eq!(pxego.wait_for("started")["text"], "5.14;  [2Jserial 7");
    assert_eq!(report("finished", ""), "200");
    pxego.wait_for("finished");
    let state = scratch.path("state/machines");
    netns::wait_until("it is written down", || fs::read_to_string(&state).unwrap().contains(" done "));

    let first = pxego.kill();
    let mut pxego = Pxego::start(&server, &scratch, &arguments);
    let mut discover = firmware.request(MessageType::Discover);
    as_firmware(&mut discover);
    firmware.broadcast(&discover);
    assert_eq!(pxego.wait_for("local")["mac"], mac.as_str());
    let (_, menu) = curl(&client, &[], "boot.ipxe");
    assert!(!menu.contains(token), "another run, another secret");
    let (second, diagnostics) = pxego.stop();
    let told = of_kind(&second, "warning").iter().any(|it| text(it).contains("1 machines of earlier runs"));
    assert!(told, "{second:#?}");

    let again: Vec<&str> = arguments.iter().copied().chain(["--again", &mac]).collect();
    let pxego = Pxego::start(&server, &scratch, &again);
    let (third, _) = pxego.stop();
    assert!(of_kind(&third, "warning").iter().all(|it| !text(it).contains("earlier runs")), "{third:#?}");
    let kept = fs::read_to_string(&state).unwrap();
    assert!(kept.trim_end().lines().last().unwrap().contains(" armed tries 0 name node01 "), "{kept}");
    for text in [format!("{first:?}"), format!("{second:?}"), diagnostics.join("\n"), kept] {
        assert!(!text.contains(token) && !text.contains("$6$"), "{text}");
    }
}

/// A machine with two cards: its firmware boots from one, and its installer asks from the other (`inst.ks.sendmac`).
#[test]
fn s12_an_installer_may_ask_from_another_card_of_its_machine() {
    let (lan, scratch) = (Lan::new(), Scratch::new("machines-cards"));
    let (server, client, stranger) = (lan.host("s"), lan.host("c"), lan.host("x"));
    let mac = mac_of(&client, "eth0");
    let list = scratch.write("machines.csv", &format!("mac,name\n{mac},node01.example.com\n"));
    let kickstart = scratch.write("ks.cfg", KICKSTART);
    let mut pxego = Pxego::start(&server, &scratch, &["--ks", &kickstart, "--machines", &list]);

    let mut leased = |netns: &Netns, mac: &str, dress: fn(&mut Message)| {
        let card = mac.parse::<MacAddr>().unwrap();
        let address = Machine::new(netns, card.0).lease(dress).message.yiaddr;
        pxego.wait_until("its lease", netns::DEADLINE, |event| {
            event["event"] == "leased" && event["mac"] == mac
        });
        netns.ip(&format!("address add {address}/24 dev eth0"));
        address.to_string()
    };
    let other = "02:00:00:00:00:02";
    let first = leased(&client, &mac, as_firmware);
    let second = leased(&client, other, |_| {});
    let neighbour = leased(&stranger, &mac_of(&stranger, "eth0"), |_| {});

    let (_, menu) = curl(&client, &["--interface", &first], "boot.ipxe");
    assert!(menu.contains(" inst.ks.sendmac"), "{menu}");
    let url = word(&menu, "inst.ks=").trim_start_matches("inst.ks=");
    let status = |netns: &Netns, from: &str, cards: &[&str]| {
        let headers = headers(cards);
        let headers = headers.iter().map(String::as_str);
        let (status, body) =
            curl(netns, &["--interface", from].into_iter().chain(headers).collect::<Vec<_>>(), url);
        assert_eq!(status == "200", body.starts_with(KICKSTART), "{body}");
        status
    };
    assert_eq!(status(&client, &second, &[]), "404");
    assert_eq!(status(&client, &second, &[&mac]), "404");
    assert_eq!(status(&stranger, &neighbour, &[&mac, other]), "404");
    assert_eq!(status(&client, &second, &[&mac, other]), "200");
    assert_eq!(status(&client, &second, &[other, &mac]), "200", "it is fetched twice");
    assert_eq!(status(&client, &first, &[]), "200");
    let (events, _) = pxego.stop();
    assert_eq!(of_kind(&events, "intruder").len(), 3, "{events:#?}");
    assert!(of_kind(&events, "kickstart").iter().all(|event| event["mac"] == mac.as_str()), "{events:#?}");

    // What a stranger's client makes of the name.
    let script =
        scratch.script("name.sh", "#!/bin/sh\n[ \"$1\" = bound ] && echo \"$hostname\" >\"$0.log\"\n");
    let pxego = Pxego::start(&server, &scratch, &["--machines", &list]);
    netns::run(client.command("busybox").args(["udhcpc", "-f", "-n", "-q", "-i", "eth0", "-s", &script]));
    assert_eq!(fs::read_to_string(format!("{script}.log")).unwrap(), "node01.example.com\n");
    pxego.stop();
}

/// The same where dnsmasq gives the addresses, the second card's too: it is known by what it says of itself on the wire.
#[test]
fn s12_beside_another_server_too_an_installer_may_ask_from_another_card() {
    let (lan, scratch) = (Lan::new(), Scratch::new("machines-proxy-cards"));
    let [other, server, client, stranger] = ["o", "s", "c", "x"].map(|role| lan.host(role));
    lan.plug(&client, "eth1");
    server.ip("addr add 192.168.7.2/24 dev eth0");
    let _dnsmasq = dhcp_lab::dnsmasq(&other, &scratch, &["--no-ping"]);
    let [mac, second] = ["eth0", "eth1"].map(|card| mac_of(&client, card));
    let kickstart = scratch.write("ks.cfg", KICKSTART);
    let mut pxego = Pxego::start(&server, &scratch, &["--ks", &kickstart, "--dhcp", "proxy"]);

    let mut firmware = machine(&client);
    let mut discover = firmware.request(MessageType::Discover);
    as_firmware(&mut discover);
    firmware.broadcast(&discover);
    pxego.wait_until("its offer", netns::DEADLINE, |event| {
        event["event"] == "offered" && event["mac"] == mac.as_str()
    });
    dhcp_lab::lease(&client, &scratch, &[]);
    let mut menu = String::new();
    netns::wait_until("its menu", || {
        menu = curl(&client, &[], "http://192.168.7.2/boot.ipxe").1;
        menu.contains("inst.ks=")
    });
    assert!(menu.contains(" inst.ks.sendmac"), "{menu}");
    let url = word(&menu, "inst.ks=").trim_start_matches("inst.ks=");

    // The installer takes the other cable.
    client.ip("link set eth0 down");
    dhcp_lab::lease(&client, &scratch, &["-i", "eth1"]);
    dhcp_lab::lease(&stranger, &scratch, &[]);
    let status = |netns: &Netns, cards: &[&str]| {
        let headers = headers(cards);
        curl(netns, &headers.iter().map(String::as_str).collect::<Vec<_>>(), url).0
    };
    assert_eq!(status(&client, &[&mac]), "404");
    assert_eq!(status(&client, &[&second]), "404");
    netns::wait_until("its kickstart", || status(&client, &[&mac, &second]) == "200");
    assert_eq!(status(&client, &[&second, &mac]), "200", "it is fetched twice");
    assert_eq!(status(&stranger, &[&mac, &second]), "404");
    assert_eq!(status(&other, &[&mac, &second]), "404");
    let (events, _) = pxego.stop();
    let fetched = of_kind(&events, "kickstart");
    assert!(fetched.len() >= 2 && fetched.iter().all(|event| event["mac"] == mac.as_str()), "{events:#?}");
    assert!(of_kind(&events, "intruder").len() >= 4, "{events:#?}");
}

/// The headers by which an installer names these cards.
fn headers(cards: &[&str]) -> Vec<String> {
    let header = |(number, mac)| format!("X-RHN-Provisioning-MAC-{number}: eth{number} {mac}");
    cards.iter().enumerate().map(header).flat_map(|header| ["--header".to_owned(), header]).collect()
}

fn text_of<'a>(event: &'a serde_json::Value, fact: &str) -> &'a str {
    event[fact].as_str().unwrap()
}

/// A template that fails for one machine: that one waits, and the other is served.
#[test]
fn one_machines_failing_template_stops_no_other() {
    let (lan, scratch) = (Lan::new(), Scratch::new("machines-template"));
    let (server, good, bad) = (lan.host("s"), lan.host("g"), lan.host("b"));
    let rows = [(&good, "good", "sda"), (&bad, "bad", "sda; reboot")];
    let rows = rows.map(|(host, name, disk)| format!("{},{name},{disk}\n", mac_of(host, "eth0")));
    let list = scratch.write("machines.csv", &format!("mac,name,disk\n{}", rows.concat()));
    let template = "lang en_US\nignoredisk --only-use={{ disk }}\nnetwork --hostname={{ name }}\n";
    let template = scratch.write("ks.cfg.j2", template);
    let pxego = Pxego::start(&server, &scratch, &["--ks", &template, "--machines", &list, "--no-hooks"]);
    let mut menus = Vec::new();
    for host in [&good, &bad] {
        let address = machine(host).lease(as_firmware).message.yiaddr;
        host.ip(&format!("address add {address}/24 dev eth0"));
        menus.push(curl(host, &[], "boot.ipxe").1);
    }
    let url = word(&menus[0], "inst.ks=").trim_start_matches("inst.ks=");
    let (_, served) = curl(&good, &[], url);
    assert!(served.contains("\nignoredisk --only-use=sda\nnetwork --hostname=good\n"), "{served}");
    assert!(!menus[1].contains("inst.ks=") && menus[1].contains("has ';' in it"), "{}", menus[1]);
    let (events, _) = pxego.stop();
    let warning = of_kind(&events, "warning").into_iter().map(text).find(|text| text.contains("bad (line 3"));
    assert!(warning.is_some_and(|text| text.contains("ks.cfg.j2, line 2: ")), "{events:#?}");
    assert_eq!(of_kind(&events, "held")[0]["mac"], mac_of(&bad, "eth0"));
}

/// What cannot be meant is refused with its file and line, before anything is served.
#[test]
fn lists_and_templates_that_are_wrong_are_refused() {
    let (lan, scratch) = (Lan::new(), Scratch::new("machines-refused"));
    let server = lan.host("s");
    let good = scratch.write("good.csv", "mac,name\n52:54:00:00:00:01,node01\n");
    let bad = scratch.write("bad.csv", "mac,name\n52:54:00:00:00:01,a b\nx,y\n");
    let unnamed = scratch.write("unnamed.csv", "serial\nABC\n");
    let image = scratch.write("image.csv", "mac,image\n52:54:00:00:00:01,el5\n");
    let own = scratch.write("own.csv", "mac,ks\n52:54:00:00:00:01,missing.cfg\n");
    let syntax = scratch.write("syntax.j2", "lang en_US\n{% if %}\n");
    let stops = scratch.write("stops.j2", "lang en_US\nnetwrk --hostname={{ name }}\n");
    let nameless = scratch.write("nameless.j2", "lang en_US\nnetwork --hostname={{ name }}\n");
    let endless = scratch.write(
        "endless.j2",
        "text\n{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}\n",
    );
    for (arguments, said) in [
        (vec!["--machines", &bad], vec!["bad.csv, line 2: ", "bad.csv, line 3: ", "not a MAC address"]),
        (vec!["--machines", "missing.csv"], vec!["--machines missing.csv", "ls -l"]),
        (vec!["--machines", &image], vec!["line 2 of the list", "no image is called el5", "el9"]),
        (vec!["--machines", &own], vec!["own.csv, line 2", "missing.cfg"]),
        (vec!["--only", &unnamed], vec!["line 2", "serial number only"]),
        (vec!["--only", "52:54:00:00:00:01,x"], vec!["--only", "not a MAC address"]),
        (vec!["--name", "node"], vec!["--name node", "node{:02}"]),
        (vec!["--again", "node01"], vec!["--again", "or all"]),
        (vec!["--ks", &syntax], vec!["syntax.j2, line 2: "]),
        (
            vec!["--ks", &stops, "--machines", &good],
            vec![
                "stops.j2 (node01):2:1: error: there is no command netwrk; write network",
                "pxego ks --check ",
                &format!("--machines {good}"),
                "--force",
            ],
        ),
        (vec!["--ks", &nameless], vec!["a machine that is in no list: ", "nameless.j2, line 2: a variable"]),
        (
            vec!["--ks", &endless, "--machines", &good],
            vec!["endless.j2, line 2: ", "node01", "does not come to an end"],
        ),
    ] {
        let (status, text) = Pxego::spawn(&server, &scratch, &arguments).ended();
        assert!(matches!(status.code(), Some(2 | 3)), "{arguments:?}: {status}");
        for said in said {
            assert!(text.contains(said), "{arguments:?}: {said:?} is not in {text}");
        }
    }
}
