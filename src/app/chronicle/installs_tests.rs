use super::super::tests::{MAC, MACHINE, STRANGER, TOKEN, chronicle, ends, told};
use super::*;
use crate::boot::arch::Arch;
use crate::boot::client::{Firmware, Stage};
use crate::content::{Observer, Outcome, Role};
use crate::machine::policy::Only;
use crate::machine::{NamePattern, Policy, Registry};
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

fn firmware(mac: MacAddr) -> Client {
    Client {
        mac,
        uuid: None,
        arch: Some(Arch::X64Uefi),
        arch_code: 7,
        firmware: Firmware::Pxe,
        stage: Stage::Rom,
        vendor_class: String::new(),
        user_class: String::new(),
        host_name: None,
        asks_for_boot_file: true,
    }
}

/// What a machine fetches on its way into the installer.
fn boots(chronicle: &Chronicle) {
    ends(chronicle, MACHINE, "grub.cfg", Some(Role::Menu), Outcome::Done);
    ends(chronicle, MACHINE, "vmlinuz", Some(Role::Kernel), Outcome::Done);
    ends(chronicle, MACHINE, "initrd.img", Some(Role::Initrd), Outcome::Done);
}

fn reports(chronicle: &Chronicle, word: &str, body: &str) -> bool {
    chronicle.reported(MACHINE, format!("hook/{TOKEN}/{word}").as_bytes(), body.as_bytes())
}

fn keys(received: &Receiver<crate::event::Event>) -> Vec<&'static str> {
    let fetched = ["menu", "kernel", "initrd"];
    received.try_iter().map(|event| event.what.key()).filter(|key| !fetched.contains(key)).collect()
}

#[test]
fn an_install_is_told_from_its_start_to_the_disk() {
    let (chronicle, received) = chronicle();
    let (records, kept) = sync_channel(64);
    let chronicle = chronicle.keeping(records);
    assert_eq!(chronicle.arrives(&firmware(MAC)), Arrived::Expected);
    boots(&chronicle);
    for (word, body) in [("started", "5.14\nSerial 7\n"), ("storage", "part / --size=1\n"), ("packages", "")]
    {
        assert!(reports(&chronicle, word, body), "{word}");
    }
    assert!(reports(&chronicle, "finished", "") && reports(&chronicle, "finished", ""), "sent twice");
    assert_eq!(keys(&received), ["started", "storage", "installed", "finished"]);
    assert_eq!(chronicle.arrives(&firmware(MAC)), Arrived::Expected);
    assert_eq!(chronicle.arrives(&firmware(MAC)), Arrived::Expected, "it asks again and again");
    assert_eq!(keys(&received), ["local"]);
    let machine = chronicle.machines().by_mac(MAC).cloned().expect("a machine");
    assert_eq!(machine.assignment.boot, Boot::Local);
    let phases: Vec<Phase> = kept.try_iter().map(|record| record.progress.phase).collect();
    assert_eq!(phases, [Phase::Booting, Phase::Installing, Phase::Done]);
}

#[test]
fn three_failures_are_told_with_their_reason_and_hold_it() {
    let (chronicle, received) = chronicle();
    for _ in 0..3 {
        chronicle.arrives(&firmware(MAC));
        boots(&chronicle);
        reports(&chronicle, "started", "");
        let log =
            format!("== /tmp/anaconda.log\nfetched http://x/ks/{TOKEN}/ks.cfg\nERR: no disks found\x1b[2J\n");
        assert!(reports(&chronicle, "failed", &log));
    }
    let all = told(&received);
    let failed: Vec<&String> = all.iter().filter(|text| text.contains(" failed ")).collect();
    assert_eq!(failed.len(), 3, "{all:?}");
    assert!(failed[0].ends_with("the installer gave up: ERR: no disks found [2J"), "{failed:?}");
    assert!(all.iter().any(|text| text.contains(" held ") && text.contains("no disks found")), "{all:?}");
    assert!(all.iter().all(|text| !text.contains(TOKEN)), "{all:?}");
    let machine = chronicle.machines().by_mac(MAC).cloned().expect("a machine");
    assert!(machine.held_because().is_some_and(|reason| reason.contains("no disks found")));
    // At its next start it is told so too.
    ends(&chronicle, MACHINE, "grub.cfg", Some(Role::Menu), Outcome::Done);
    assert!(machine.progress.is_held());
}

#[test]
fn who_restarts_without_an_end_is_told_of() {
    let (chronicle, received) = chronicle();
    boots(&chronicle);
    reports(&chronicle, "started", "");
    chronicle.arrives(&firmware(MAC));
    assert_eq!(keys(&received), ["started", "failed"]);
}

#[test]
fn what_is_no_report_of_ours_is_refused() {
    let (chronicle, received) = chronicle();
    let other = "f".repeat(32);
    for name in [
        format!("hook/{TOKEN}"),
        format!("hook/{TOKEN}/x"),
        format!("hook/{TOKEN}/started/x"),
        format!("hook/{other}/finished"),
        "hook//finished".to_owned(),
        "hook".to_owned(),
    ] {
        assert!(!chronicle.reported(MACHINE, name.as_bytes(), b""), "{name}");
    }
    assert!(!chronicle.reported(MACHINE, b"hook/\xff/finished", b""));
    assert!(told(&received).is_empty());
    // The kickstart may give the machine another address.
    assert!(chronicle.reported(STRANGER, format!("hook/{TOKEN}/started").as_bytes(), b""));
}

#[test]
fn a_report_of_a_kickstart_from_before_a_restart_counts() {
    let (first, _) = chronicle();
    boots(&first);
    let record = first.machines().by_mac(MAC).map(Machine::record).expect("a record");
    let registry = Registry::new(|| 0xdef).with(Policy::default(), vec![record]);
    let (events, received) = sync_channel(64);
    let chronicle = Chronicle::new(Arc::new(Mutex::new(registry)), events);
    assert!(reports(&chronicle, "started", "") && reports(&chronicle, "finished", ""));
    assert_eq!(keys(&received), ["started", "finished"]);
    assert_eq!(chronicle.machines().by_mac(MAC).map(|it| it.progress.phase), Some(Phase::Done));
}

#[test]
fn names_are_given_in_order_and_strangers_are_left_alone() {
    let other = MacAddr([0x52, 0x54, 0, 0, 0, 2]);
    let stranger = MacAddr([0x52, 0x54, 0, 0, 0, 3]);
    let policy = Policy {
        only: Only::Cards(HashSet::from([MAC, other])),
        names: NamePattern::parse("node{:02}").ok(),
        ..Policy::default()
    };
    let mut next = 0;
    let random = move || {
        next += 1;
        next
    };
    let registry = Registry::new(random).with(policy, Vec::new());
    let (events, received) = sync_channel(64);
    let chronicle = Chronicle::new(Arc::new(Mutex::new(registry)), events);
    for _ in 0..2 {
        assert_eq!(chronicle.arrives(&firmware(other)), Arrived::Expected);
        assert_eq!(chronicle.arrives(&firmware(MAC)), Arrived::Expected);
        assert_eq!(chronicle.arrives(&firmware(stranger)), Arrived::Stranger);
    }
    assert!(chronicle.is_stranger(&firmware(stranger)) && !chronicle.is_stranger(&firmware(MAC)));
    let told = told(&received);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].ends_with("02 named node01") && told[1].ends_with("01 named node02"), "{told:?}");
    assert!(told[2].contains("03 stranger "), "{told:?}");
}

#[test]
fn what_was_chosen_for_the_next_start_outlasts_a_restart() {
    let (chronicle, _received) = chronicle();
    let (records, kept) = sync_channel(64);
    let chronicle = chronicle.keeping(records);
    chronicle.machines().by_ip_mut(MACHINE).expect("a machine").pick = Some("el9-text".to_owned());
    ends(&chronicle, MACHINE, "pick/el9-text/grub.cfg", Some(Role::Menu), Outcome::Done);
    let file: String = kept.try_iter().map(|record| record.to_line() + "\n").collect();
    let (records, _, bad) = crate::machine::record::parse_lines(file.as_bytes());
    assert!(bad.is_empty(), "{bad:?}");
    let next_run = Registry::new(|| 1).with(Policy::default(), records);
    assert_eq!(next_run.by_mac(MAC).and_then(|machine| machine.pick.as_deref()), Some("el9-text"));
}
