//! Who serves this wire.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::lab::{OTHER_SERVER, ip, mac};
use crate::dhcp::Mode;
use crate::dhcp::probe::ForeignServer;
use crate::dhcp::watch::{Action, Watch, Wish};

const DHCP: ForeignServer =
    ForeignServer { ip: OTHER_SERVER, mac: None, offered: Some(ip_77()), has_boot_info: false };

const fn ip_77() -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, 77)
}

fn proxy_only() -> ForeignServer {
    ForeignServer { ip: ip(9), mac: Some(mac(9)), offered: None, has_boot_info: true }
}

fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Everything that is done from `from` to `to`, asked every 100 ms, with the second it was done in.
fn run(watch: &mut Watch, from: u64, to: u64) -> Vec<(u64, Action)> {
    let mut done = Vec::new();
    for tenth in from * 10..to * 10 {
        let now = Duration::from_millis(tenth * 100);
        done.extend(watch.due(now).into_iter().map(|action| (tenth / 10, action)));
    }
    done
}

fn questions(done: &[(u64, Action)]) -> Vec<u64> {
    done.iter().filter(|(_, action)| *action == Action::Ask).map(|(second, _)| *second).collect()
}

#[test]
fn alone_after_three_questions_and_three_seconds() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    let done = run(&mut watch, 0, 4);
    assert_eq!(
        done,
        [(0, Action::Ask), (1, Action::Ask), (2, Action::Ask), (3, Action::Become(Mode::Full, None)),]
    );
    assert_eq!(watch.mode(), Some(Mode::Full));
}

#[test]
fn l23_another_server_makes_us_a_proxy_at_once() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    watch.due(at(0));
    assert_eq!(watch.mode(), None);
    assert_eq!(watch.on_foreign(DHCP), [Action::Become(Mode::Proxy, Some(DHCP))]);
    assert_eq!(watch.mode(), Some(Mode::Proxy));
    assert_eq!(watch.on_foreign(DHCP), [], "told once");
}

#[test]
fn l24_a_server_that_turns_up_later_ends_our_giving_addresses_at_once() {
    for by_choice in [false, true] {
        let mut watch = Watch::new(Wish::Auto, true, false, at(0));
        run(&mut watch, 0, 10);
        assert_eq!(watch.mode(), Some(Mode::Full));
        let actions = if by_choice {
            watch.on_other_server_chosen(OTHER_SERVER, Some(ip_77()), at(10))
        } else {
            watch.on_foreign(DHCP)
        };
        assert_eq!(actions, [Action::Become(Mode::Proxy, Some(DHCP))]);
        assert_eq!(watch.mode(), Some(Mode::Proxy));
        if by_choice {
            assert_eq!(questions(&run(&mut watch, 10, 11)), [10], "asked at once, to know more");
        }
    }
}

#[test]
fn the_wire_is_asked_again_as_long_as_we_run() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    watch.on_frame(at(0));
    let asked = questions(&run(&mut watch, 0, 125));
    assert_eq!(asked, [0, 1, 2, 35, 65, 95]);
}

#[test]
fn l24_when_a_client_asks_we_ask_too_but_not_with_each_of_a_crowd() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    watch.on_frame(at(0));
    run(&mut watch, 0, 12);
    for _ in 0..1000 {
        watch.on_client(at(12));
    }
    assert_eq!(questions(&run(&mut watch, 12, 14)), [12]);
    watch.on_client(at(14));
    assert_eq!(questions(&run(&mut watch, 14, 17)), [0; 0]);
    watch.on_client(at(17));
    assert_eq!(questions(&run(&mut watch, 17, 18)), [17]);
}

#[test]
fn a_server_that_is_unplugged_leaves_the_addresses_to_us() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    watch.due(at(0));
    watch.on_frame(at(0));
    watch.on_foreign(DHCP);
    let done = run(&mut watch, 1, 59);
    assert!(done.iter().all(|(_, action)| *action == Action::Ask), "{done:?}");
    // It answers still: nothing changes.
    watch.on_foreign(DHCP);
    let done = run(&mut watch, 59, 200);
    let became: Vec<_> = done.iter().filter(|(_, action)| *action != Action::Ask).collect();
    let [(second, Action::Become(Mode::Full, None))] = became[..] else { panic!("{became:?}") };
    assert!((115..150).contains(second), "{second}");
}

/// Two of our kind on one wire. The first one goes first; each has started when its time has come, and an offer takes so
/// long. Times are in tenths of a second. What they have become.
fn two(starts: [u64; 2], offer_takes: u64) -> [Option<Mode>; 2] {
    let tenths = |count: u64| Duration::from_millis(count * 100);
    let mut watches = starts.map(|start| Watch::new(Wish::Auto, true, false, tenths(start)));
    let (mut was_asked, mut offers) = ([false; 2], Vec::new());
    for tenth in 0..200 {
        let now = tenths(tenth);
        for us in (0..2).filter(|us| starts[*us] <= tenth) {
            let other = 1 - us;
            for action in watches[us].due(now) {
                match action {
                    Action::Ask if starts[other] <= tenth => {
                        watches[other].on_frame(now);
                        watches[other].on_rival(us == 0, now);
                        was_asked[other] = true;
                    }
                    Action::Ask | Action::Become(Mode::Full, None) => {}
                    wrong => panic!("{starts:?}, {tenth}: {wrong:?}"),
                }
            }
            if watches[us].mode() == Some(Mode::Full) && std::mem::take(&mut was_asked[us]) {
                offers.push((tenth + offer_takes, other));
            }
        }
        for (_, to) in offers.iter().filter(|(at, _)| *at == tenth) {
            assert_ne!(watches[*to].mode(), Some(Mode::Full), "{starts:?}: both give addresses");
            watches[*to].on_foreign(DHCP);
        }
    }
    watches.map(|watch| watch.mode())
}

#[test]
fn l32_of_two_that_start_at_any_time_one_gives_addresses() {
    for offset in 0..60 {
        for offer_takes in [0, 9] {
            let both = [two([0, offset], offer_takes), two([offset, 0], offer_takes)];
            for became in both {
                let (full, proxy) = (Some(Mode::Full), Some(Mode::Proxy));
                assert!([[full, proxy], [proxy, full]].contains(&became), "{offset}: {became:?}");
            }
        }
    }
}

#[test]
fn nobody_is_beside_another_server_unless_forced() {
    let mut watch = Watch::new(Wish::Full { force: false }, true, false, at(0));
    watch.due(at(0));
    assert_eq!(watch.on_foreign(DHCP), [Action::Refuse(DHCP)]);

    let mut watch = Watch::new(Wish::Full { force: true }, true, false, at(0));
    watch.due(at(0));
    assert_eq!(watch.on_foreign(DHCP), [Action::Tell(DHCP)]);
    let done = run(&mut watch, 0, 4);
    assert!(done.contains(&(3, Action::Become(Mode::Full, None))), "{done:?}");
    // Later too it is only told of.
    assert_eq!(watch.on_foreign(DHCP), []);
    assert_eq!(watch.on_other_server_chosen(OTHER_SERVER, None, at(5)), []);
}

#[test]
fn p49_a_boot_server_without_addresses_is_told_of_and_changes_nothing() {
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    run(&mut watch, 0, 5);
    assert_eq!(watch.on_foreign(proxy_only()), [Action::Tell(proxy_only())]);
    assert_eq!(watch.on_foreign(proxy_only()), []);
    assert_eq!(watch.mode(), Some(Mode::Full));
}

#[test]
fn a_proxy_without_a_server_beside_it_says_so() {
    let mut watch = Watch::new(Wish::Proxy, true, false, at(0));
    let done = run(&mut watch, 0, 4);
    assert!(done.contains(&(3, Action::Become(Mode::Proxy, None))), "{done:?}");
    assert!(done.contains(&(3, Action::NobodyGivesAddresses)), "{done:?}");
    let done = run(&mut watch, 4, 300);
    assert!(done.iter().all(|(_, action)| matches!(action, Action::Ask | Action::Silent)), "{done:?}");
    assert_eq!(watch.mode(), Some(Mode::Proxy));
}

#[test]
fn off_asks_nobody() {
    let mut watch = Watch::new(Wish::Off, true, false, at(0));
    assert_eq!(watch.due(at(0)), [Action::Become(Mode::Off, None)]);
    watch.on_frame(at(0));
    assert_eq!(run(&mut watch, 0, 100), []);
    assert_eq!(watch.deadline(), None);
}

#[test]
fn without_a_link_nobody_is_asked_and_nothing_decided() {
    let mut watch = Watch::new(Wish::Auto, false, false, at(0));
    assert_eq!(run(&mut watch, 0, 60), []);
    assert_eq!((watch.mode(), watch.deadline()), (None, None));
    assert_eq!(watch.on_foreign(DHCP), []);
}

/// Spanning tree holds back what a port that has just come up would pass on.
#[test]
fn a_fresh_link_is_given_the_time_of_spanning_tree() {
    let mut watch = Watch::new(Wish::Auto, false, false, at(0));
    watch.on_link(at(100));
    let done = run(&mut watch, 100, 134);
    assert!(done.iter().all(|(_, action)| matches!(action, Action::Ask | Action::Silent)), "{done:?}");
    assert!(questions(&done).len() > 6);
    assert!(run(&mut watch, 134, 136).contains(&(135, Action::Become(Mode::Full, None))));
}

#[test]
fn a_fresh_link_on_which_somebody_is_heard_needs_five_seconds() {
    let mut watch = Watch::new(Wish::Auto, false, false, at(0));
    watch.on_link(at(100));
    run(&mut watch, 100, 110);
    watch.on_frame(at(110));
    let done = run(&mut watch, 110, 116);
    assert_eq!(questions(&done)[..3], [110, 111, 112], "whoever was hidden is asked anew");
    assert!(done.contains(&(115, Action::Become(Mode::Full, None))), "{done:?}");
}

#[test]
fn l26_a_link_without_frames_is_told_of_once() {
    let silent = |watch: &mut Watch, to| {
        run(watch, 0, to)
            .into_iter()
            .filter(|(_, action)| *action == Action::Silent)
            .map(|(second, _)| second)
            .collect()
    };
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    let told: Vec<u64> = silent(&mut watch, 300);
    assert_eq!(told, [30]);
    let mut watch = Watch::new(Wish::Auto, true, false, at(0));
    watch.on_frame(at(5));
    let told: Vec<u64> = silent(&mut watch, 300);
    assert_eq!(told, [0; 0]);
}

#[test]
fn the_deadline_is_never_later_than_what_is_due() {
    for wish in [Wish::Auto, Wish::Proxy, Wish::Off, Wish::Full { force: true }] {
        let mut watch = Watch::new(wish, true, true, at(0));
        let mut now = Duration::ZERO;
        for _ in 0..50 {
            let Some(deadline) = watch.deadline() else { break };
            if let Some(before) =
                deadline.checked_sub(Duration::from_millis(1)).filter(|before| *before > now)
            {
                assert_eq!(watch.clone().due(before), [], "{wish:?} before {deadline:?}");
            }
            now = now.max(deadline);
            assert!(!watch.due(now).is_empty(), "{wish:?} at {now:?}");
        }
    }
}
