#![allow(clippy::arithmetic_side_effects)]

use std::collections::HashSet;

use crate::wire::test_random::Random;

use super::*;

const HOLD: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(3600);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 77, last)
}

/// A moment: seconds since the program started, which was at 1,795,348,800.
fn at(secs: u64) -> Now {
    Now { monotonic: Duration::from_secs(secs), unix_secs: 1_795_348_800 + secs }
}

fn mac(number: u64) -> MacAddr {
    let [.., a, b, c, d] = number.to_be_bytes();
    MacAddr([0x52, 0x54, a, b, c, d])
}

fn machine(number: u64) -> Identity {
    Identity::ethernet(mac(number))
}

/// Addresses 100 to `last` of 192.168.77.0/24.
fn pool_to(last: u8) -> Pool {
    Pool::new(ip(100), ip(last), SERVER, 24, &[]).expect("a pool")
}

/// What must hold whatever happened: both indices say the same, nobody has two addresses, nothing fixed is owned, the
/// strangers are counted right.
fn check(pool: &Pool) {
    let mut owners = HashSet::new();
    let mut strangers = 0;
    for (index, slot) in pool.slots.iter().enumerate() {
        let Some(owner) = &slot.owner else { continue };
        assert!(owners.insert(owner.identity.clone()), "{} has two addresses", owner.identity);
        assert_eq!(pool.by_identity.get(&owner.identity), Some(&index), "{}", owner.identity);
        assert!(!slot.is_fixed, "a fixed address belongs to {}", owner.identity);
        strangers += usize::from(!owner.is_known);
    }
    assert_eq!(pool.by_identity.len(), owners.len());
    assert_eq!(pool.strangers, strangers);
}

#[test]
fn d50_what_is_not_ours_to_give_is_never_offered() {
    let never = [ip(5), ip(9)];
    let mut pool = Pool::new(ip(0), ip(255), SERVER, 24, &never).expect("a pool");
    let mut given = HashSet::new();
    for number in 0..300 {
        // Nobody gets one by asking for it either.
        let wish = [ip(0), SERVER, ip(5), ip(9), ip(255)][number as usize % 5];
        if let Ok(address) = pool.offer(&machine(number), Some(wish), HOLD, at(0)) {
            assert!(pool.bind(&machine(number), address, LEASE, at(0)));
            assert!(given.insert(address), "{address} twice");
        }
        check(&pool);
    }
    let fixed = [ip(0), SERVER, ip(5), ip(9), ip(255)];
    assert_eq!(given.len(), 256 - fixed.len());
    assert!(fixed.iter().all(|address| !given.contains(address)));
    for address in fixed {
        assert!(!pool.bind(&machine(9999), address, LEASE, at(0)), "{address}");
    }
}

#[test]
fn d50_zero_and_255_inside_larger_networks_are_left_out() {
    let server = Ipv4Addr::new(10, 1, 0, 1);
    let (first, last) = (Ipv4Addr::new(10, 1, 0, 250), Ipv4Addr::new(10, 1, 2, 5));
    let pool = Pool::new(first, last, server, 16, &[]).expect("a pool");
    let free = pool.unchecked(0, usize::MAX, Duration::ZERO, at(0)).0;
    assert_eq!(free.len(), 5 + 254 + 5);
    assert!(free.iter().all(|address| !matches!(address.octets()[3], 0 | 255)));
    // In a /24 of its own .0 and .255 are network and broadcast, in a /25 .128 is a host like any other.
    let pool = Pool::new(ip(100), ip(126), SERVER, 25, &[]).expect("a pool");
    assert_eq!(pool.unchecked(0, usize::MAX, Duration::ZERO, at(0)).0.len(), 27);
}

#[test]
fn a_range_that_cannot_be_a_pool_is_refused_by_name() {
    let new = |first, last, prefix_len| Pool::new(first, last, SERVER, prefix_len, &[]).map(|_| ());
    assert_eq!(new(ip(100), ip(200), 31), Err(PoolError::PrefixLen(31)));
    assert_eq!(new(ip(100), ip(200), 7), Err(PoolError::PrefixLen(7)));
    assert_eq!(new(ip(200), ip(100), 24), Err(PoolError::Backwards));
    let outside = Ipv4Addr::new(192, 168, 78, 1);
    assert_eq!(new(ip(100), outside, 24), Err(PoolError::OffSubnet(outside)));
    assert_eq!(new(ip(1), ip(1), 24), Err(PoolError::Empty));
    let large = |last| Pool::new(Ipv4Addr::new(10, 0, 0, 0), last, Ipv4Addr::new(10, 0, 0, 1), 8, &[]).err();
    assert_eq!(large(Ipv4Addr::new(10, 0, 255, 255)), None);
    assert_eq!(large(Ipv4Addr::new(10, 1, 0, 0)), Some(PoolError::TooLarge));
}

#[test]
fn d19_an_offer_is_the_same_while_it_holds_and_after_if_nobody_took_it() {
    let mut pool = pool_to(199);
    let first = pool.offer(&machine(1), None, HOLD, at(0));
    for secs in [0, 1, 4, 59, 60, 600, 1_000_000] {
        assert_eq!(pool.offer(&machine(1), Some(ip(150)), HOLD, at(secs)), first, "after {secs} s");
    }
    check(&pool);
}

#[test]
fn d45_d48_the_address_is_chosen_by_the_hash_so_a_lost_lease_file_changes_nothing() {
    let mut first_run = pool_to(199);
    let mut second_run = pool_to(199);
    let mut same = 0;
    for number in 0..20 {
        let first = first_run.offer(&machine(number), None, HOLD, at(0)).expect("an address");
        // In the other run they come in another order and ask for something else.
        let second = second_run.offer(&machine(19 - number), Some(ip(100)), HOLD, at(7)).expect("an address");
        same += usize::from(first == ip(100 + (machine(number).hash() % 100) as u8));
        assert!(second_run.contains(second));
    }
    assert!(same >= 15, "only {same} of 20 machines got the address their hash names");
    // Alone, it is that one always.
    for number in 0..1000 {
        let named = ip(100 + (machine(number).hash() % 100) as u8);
        assert_eq!(pool_to(199).offer(&machine(number), Some(ip(100)), HOLD, at(0)), Ok(named));
    }
}

#[test]
fn the_wish_of_a_machine_counts_when_its_hash_names_a_taken_address() {
    let mut pool = pool_to(199);
    let named = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    let rival = (2..).map(machine).find(|rival| rival.hash() % 100 == machine(1).hash() % 100).expect("one");
    let wish = if named == ip(150) { ip(151) } else { ip(150) };
    assert_eq!(pool.offer(&rival, Some(wish), HOLD, at(0)), Ok(wish));
    let other = (2..).map(machine).filter(|other| *other != rival);
    let other = other.into_iter().find(|other| other.hash() % 100 == machine(1).hash() % 100).expect("one");
    // Off the network, and taken: then the next free one after the hash.
    let next = pool.offer(&other, Some(Ipv4Addr::new(10, 0, 0, 1)), HOLD, at(0)).expect("an address");
    assert!(next != named && next != wish);
}

#[test]
fn d30_a_declined_address_is_given_to_nobody_for_ten_minutes() {
    let mut pool = pool_to(101);
    let first = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(pool.bind(&machine(1), first, LEASE, at(0)));
    assert!(pool.decline(&machine(1), first, at(10)));
    check(&pool);
    let second = pool.offer(&machine(1), Some(first), HOLD, at(11)).expect("another address");
    assert_ne!(second, first);
    assert!(pool.bind(&machine(1), second, LEASE, at(12)));
    assert!(!pool.bind(&machine(2), first, LEASE, at(609)));
    assert_eq!(pool.offer(&machine(2), Some(first), HOLD, at(609)), Err(NoAddress::Exhausted));
    assert_eq!(pool.offer(&machine(2), Some(first), HOLD, at(610)), Ok(first));
    check(&pool);
}

#[test]
fn d31_d33_only_the_holder_declines_and_releases() {
    let mut pool = pool_to(199);
    let address = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(pool.bind(&machine(1), address, LEASE, at(0)));
    let other = pool.offer(&machine(2), None, HOLD, at(0)).expect("an address");
    for (who, what) in [(2, address), (3, address), (1, other), (1, ip(1)), (1, Ipv4Addr::UNSPECIFIED)] {
        assert!(!pool.decline(&machine(who), what, at(1)), "{who} {what}");
        assert!(!pool.release(&machine(who), what, at(1)), "{who} {what}");
    }
    assert_eq!(pool.live_owner(address, at(1)), Some(&machine(1)));
    assert_eq!(pool.live_owner(other, at(1)), Some(&machine(2)));
}

#[test]
fn d32_a_released_address_waits_for_its_machine_and_goes_to_others_last() {
    let mut pool = pool_to(101);
    let address = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(pool.bind(&machine(1), address, LEASE, at(0)));
    assert!(pool.release(&machine(1), address, at(10)));
    assert_eq!(pool.live_owner(address, at(10)), None);
    // A stranger that asks for it gets the other one.
    let other = pool.offer(&machine(2), Some(address), HOLD, at(11)).expect("an address");
    assert_ne!(other, address);
    assert_eq!(pool.offer(&machine(1), None, HOLD, at(12)), Ok(address));
    assert!(pool.bind(&machine(1), address, LEASE, at(12)));
    assert!(pool.release(&machine(1), address, at(13)));
    // When nothing else is left, it goes.
    assert_eq!(pool.offer(&machine(3), None, HOLD, at(14)), Ok(address));
    assert_eq!(pool.binding(&machine(1), at(14)), None);
    check(&pool);
}

#[test]
fn d46_cloned_machines_are_told_apart() {
    let mut pool = pool_to(199);
    let first = pool.offer(&machine(1), None, HOLD, at(0));
    let second = pool.offer(&machine(2), first.ok(), HOLD, at(0));
    assert!(first.is_ok() && second.is_ok());
    assert_ne!(first, second);
    assert!(!pool.bind(&machine(2), first.expect("an address"), LEASE, at(0)));
}

#[test]
fn d51_a_pool_of_one_serves_one_machine_until_its_lease_ends() {
    let server = ip(1);
    let mut pool = Pool::new(ip(0), ip(3), server, 30, &[]).expect("a pool");
    for secs in [0, 5, 30] {
        assert_eq!(pool.offer(&machine(1), None, HOLD, at(secs)), Ok(ip(2)));
        assert!(pool.bind(&machine(1), ip(2), LEASE, at(secs)));
        assert_eq!(pool.offer(&machine(2), None, HOLD, at(secs)), Err(NoAddress::Exhausted));
        assert!(!pool.bind(&machine(2), ip(2), LEASE, at(secs)));
    }
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(30 + 3599)), Err(NoAddress::Exhausted));
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(30 + 3600)), Ok(ip(2)));
    check(&pool);
}

#[test]
fn d51_d52_an_offer_not_taken_frees_its_address_after_a_minute() {
    let mut pool = Pool::new(ip(2), ip(2), SERVER, 30, &[]).expect("a pool");
    assert_eq!(pool.offer(&machine(1), None, HOLD, at(0)), Ok(ip(2)));
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(59)), Err(NoAddress::Exhausted));
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(60)), Ok(ip(2)));
    // Too late now.
    assert!(!pool.bind(&machine(1), ip(2), LEASE, at(61)));
    check(&pool);
}

#[test]
fn d21_a_withdrawn_offer_is_free_at_once_and_a_lease_stays() {
    let mut pool = Pool::new(ip(2), ip(2), SERVER, 30, &[]).expect("a pool");
    assert_eq!(pool.offer(&machine(1), None, HOLD, at(0)), Ok(ip(2)));
    pool.withdraw_offer(&machine(1));
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(1)), Ok(ip(2)));
    assert!(pool.bind(&machine(2), ip(2), LEASE, at(1)));
    pool.withdraw_offer(&machine(2));
    assert_eq!(pool.live_owner(ip(2), at(2)), Some(&machine(2)));
    // One that had a lease once keeps its place in the queue, not its hold.
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(4000)), Ok(ip(2)));
    pool.withdraw_offer(&machine(2));
    assert_eq!(pool.live_owner(ip(2), at(4001)), None);
    assert!(pool.binding(&machine(2), at(4001)).is_some_and(|binding| binding.is_known));
    check(&pool);
}

#[test]
fn an_offer_to_a_leased_machine_does_not_shorten_its_lease() {
    let mut pool = pool_to(199);
    let address = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(pool.bind(&machine(1), address, LEASE, at(0)));
    assert_eq!(pool.offer(&machine(1), None, HOLD, at(10)), Ok(address));
    assert_eq!(pool.live_owner(address, at(3599)), Some(&machine(1)));
    assert!(!pool.is_unseen(address, mac(1), at(10)));
    assert_eq!(pool.live_owner(address, at(3600)), None);
}

#[test]
fn an_offer_holds_for_its_time_even_when_the_lease_is_about_to_end() {
    let mut pool = Pool::new(ip(2), ip(2), SERVER, 30, &[]).expect("a pool");
    assert!(pool.bind(&machine(1), ip(2), LEASE, at(0)));
    assert_eq!(pool.offer(&machine(1), None, HOLD, at(3590)), Ok(ip(2)));
    assert_eq!(pool.offer(&machine(2), None, HOLD, at(3649)), Err(NoAddress::Exhausted));
    assert!(pool.bind(&machine(1), ip(2), LEASE, at(3649)));
    check(&pool);
}

#[test]
fn d54_d55_an_answer_from_another_machine_sets_the_address_aside() {
    let mut pool = pool_to(101);
    let address = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(!pool.seen_in_use(address, mac(1), at(1)), "the machine itself is no conflict");
    assert_eq!(pool.live_owner(address, at(1)), Some(&machine(1)));
    assert!(pool.seen_in_use(address, mac(7), at(2)));
    assert_eq!(pool.live_owner(address, at(2)), None);
    let other = pool.offer(&machine(1), Some(address), HOLD, at(3)).expect("another address");
    assert_ne!(other, address);
    assert!(!pool.bind(&machine(1), address, LEASE, at(3)));
    assert!(!pool.unchecked(0, 9, Duration::ZERO, at(601)).0.contains(&address));
    assert!(pool.unchecked(0, 9, Duration::ZERO, at(602)).0.contains(&address));
    // A lease stays with its holder, who has to decline; but it is a conflict.
    assert!(pool.bind(&machine(1), other, LEASE, at(4)));
    assert!(pool.seen_in_use(other, mac(7), at(5)));
    assert_eq!(pool.live_owner(other, at(6)), Some(&machine(1)));
    // Addresses that are not ours to give are not our business.
    assert!(!pool.seen_in_use(SERVER, mac(7), at(6)));
    assert!(!pool.seen_in_use(ip(99), mac(7), at(6)));
    check(&pool);
}

#[test]
fn d52_an_offer_is_known_by_address_and_card() {
    let mut pool = pool_to(199);
    let address = pool.offer(&machine(1), None, HOLD, at(0)).expect("an address");
    assert!(pool.is_unseen(address, mac(1), at(59)));
    assert!(!pool.is_unseen(address, mac(2), at(59)));
    assert!(!pool.is_unseen(address, mac(1), at(60)));
    assert!(pool.bind(&machine(1), address, LEASE, at(59)));
    assert!(!pool.is_unseen(address, mac(1), at(59)));
    assert_eq!(pool.mac_at(address), Some(mac(1)));
}

/// Somebody invents machines for 100 seconds, 1,000 in each; how many got an address.
fn flood(pool: &mut Pool, from: u64) -> u64 {
    (0..100_000)
        .map(|number| {
            let offered = pool.offer(&machine(0x0100_0000 + number), None, HOLD, at(from + number / 1000));
            u64::from(offered.is_ok())
        })
        .sum()
}

#[test]
fn s03_invented_machines_leave_known_ones_their_addresses() {
    let mut pool = pool_to(199);
    let addresses: Vec<_> = (0..20)
        .map(|number| {
            let address = pool.offer(&machine(number), None, HOLD, at(0)).expect("an address");
            assert!(pool.bind(&machine(number), address, LEASE, at(0)));
            address
        })
        .collect();
    // Two hours later all of them are switched off and their leases have ended.
    let offered = flood(&mut pool, 7200);
    check(&pool);
    // The 80 free ones, and the same once more when the first offers had run out.
    assert!((80..=160).contains(&offered), "{offered}");
    for (number, &address) in (0..).zip(&addresses) {
        assert_eq!(pool.offer(&machine(number), None, HOLD, at(7300)), Ok(address));
    }
    // The flood over, strangers are welcome again as soon as their offers have run out.
    assert_eq!(pool.offer(&machine(999), None, HOLD, at(7301)), Err(NoAddress::TooManyOffers));
    assert!(pool.offer(&machine(999), None, HOLD, at(7361)).is_ok());
}

#[test]
fn s03_a_quarter_of_a_pool_that_is_full_of_ended_leases_is_safe() {
    let mut pool = pool_to(199);
    for number in 0..100 {
        let address = pool.offer(&machine(number), None, HOLD, at(0)).expect("an address");
        assert!(pool.bind(&machine(number), address, Duration::from_secs(600 + number), at(0)));
    }
    flood(&mut pool, 7200);
    check(&pool);
    assert_eq!(pool.strangers, 75);
    // The 25 that left last.
    for number in 75..100 {
        assert!(pool.binding(&machine(number), at(7300)).is_some(), "{number}");
    }
}

#[test]
fn a_bench_as_large_as_the_pool_can_be_switched_on_at_once() {
    for last in [100, 101, 109, 119, 199] {
        let mut pool = pool_to(last);
        for number in 0..=u64::from(last - 100) {
            assert!(pool.offer(&machine(number), None, HOLD, at(0)).is_ok(), "{number} of {}", last - 99);
        }
        check(&pool);
        assert!(pool.offer(&machine(1000), None, HOLD, at(0)).is_err());
    }
}

fn record(number: u64, address: Ipv4Addr, state: LeaseState, until: u64) -> LeaseRecord {
    LeaseRecord { identity: machine(number), address, state, until }
}

#[test]
fn d49_a_restart_changes_nothing_but_what_time_changed() {
    let mut before = pool_to(199);
    let now = at(100);
    let mut records = Vec::new();
    for number in 0..10 {
        let address = before.offer(&machine(number), None, HOLD, now).expect("an address");
        assert!(before.bind(&machine(number), address, LEASE, now));
        records.push(record(number, address, LeaseState::Bound, now.unix_secs + 3600));
    }
    // The new process counts from 0 again, half an hour later by the wall clock.
    let mut after = pool_to(199);
    let restart = Now { monotonic: Duration::from_secs(3), unix_secs: now.unix_secs + 1800 };
    after.restore(&records, LEASE, restart);
    check(&after);
    for (number, record) in (0..).zip(&records) {
        assert_eq!(after.live_owner(record.address, restart), Some(&machine(number)));
    }
    let (just_before, end) = (3 + 1799, 3 + 1800);
    let address = records[0].address;
    assert!(after.live_owner(address, at(just_before)).is_some());
    assert!(after.live_owner(address, at(end)).is_none());
    // Ended or not, it is theirs first.
    assert_eq!(after.offer(&machine(0), None, HOLD, at(end + 9)), Ok(address));
}

#[test]
fn d49_restored_records_count_in_their_order_and_within_reason() {
    let now = at(1000);
    let unix = now.unix_secs;
    let mut pool = pool_to(199);
    pool.restore(
        &[
            // Two machines claim one address: the later has it.
            record(1, ip(110), LeaseState::Bound, unix + 60),
            record(2, ip(110), LeaseState::Bound, unix + 60),
            // A machine moved.
            record(3, ip(120), LeaseState::Bound, unix + 60),
            record(3, ip(121), LeaseState::Bound, unix + 60),
            record(4, ip(130), LeaseState::Released, unix - 60),
            record(5, ip(140), LeaseState::Declined, unix + 300),
            // Long ago, far in the future, and not ours.
            record(6, ip(150), LeaseState::Bound, 0),
            record(7, ip(160), LeaseState::Bound, u64::MAX),
            record(8, ip(170), LeaseState::Declined, u64::MAX),
            record(9, ip(1), LeaseState::Bound, unix + 60),
            record(10, ip(99), LeaseState::Bound, unix + 60),
            record(11, Ipv4Addr::new(10, 0, 0, 1), LeaseState::Declined, unix + 60),
            // Declined, and then given again.
            record(12, ip(180), LeaseState::Declined, unix + 300),
            record(12, ip(180), LeaseState::Bound, unix + 600),
        ],
        LEASE,
        now,
    );
    check(&pool);
    assert_eq!(pool.binding(&machine(1), now), None);
    assert_eq!(pool.live_owner(ip(110), now), Some(&machine(2)));
    assert_eq!(pool.live_owner(ip(120), now), None);
    assert_eq!(pool.live_owner(ip(121), now), Some(&machine(3)));
    let released = Binding { address: ip(130), is_known: true, is_live: false };
    assert_eq!(pool.binding(&machine(4), now), Some(released));
    assert!(!pool.bind(&machine(20), ip(140), LEASE, at(1299)));
    assert!(pool.bind(&machine(20), ip(140), LEASE, at(1300)));
    let ended = Binding { address: ip(150), is_known: true, is_live: false };
    assert_eq!(pool.binding(&machine(6), now), Some(ended));
    // The clock of the earlier run was wrong: a lease never lasts longer than a lease from now.
    assert!(pool.live_owner(ip(160), at(1000 + 3599)).is_some());
    assert!(pool.live_owner(ip(160), at(1000 + 3600)).is_none());
    assert!(!pool.bind(&machine(21), ip(170), LEASE, at(1599)));
    assert!(pool.bind(&machine(21), ip(170), LEASE, at(1600)));
    assert_eq!(pool.offer(&machine(12), None, HOLD, now), Ok(ip(180)));
    for stranger in 9..=11 {
        assert_eq!(pool.binding(&machine(stranger), now), None);
    }
}

#[test]
fn the_lease_that_ended_first_is_taken_first() {
    let mut pool = pool_to(103);
    for number in 0..4 {
        let address = ip(100 + number as u8);
        // In no order: 30, 10, 20 and 0 seconds from now.
        let secs = [30, 10, 20, 0][number as usize];
        assert!(pool.bind(&machine(number), address, Duration::from_secs(100 + secs), at(0)));
    }
    let order: Vec<_> =
        (10..14).map(|number| pool.offer(&machine(number), None, LEASE, at(200)).expect("one")).collect();
    assert_eq!(order, [ip(103), ip(101), ip(102), ip(100)]);
    assert_eq!(pool.offer(&machine(14), None, LEASE, at(200)), Err(NoAddress::Exhausted));
}

/// What a machine was told last: an address and until when it may rely on it.
type Promises = HashMap<u64, (Ipv4Addr, u64)>;

/// Nobody else was promised `address` for `now`.
fn check_promise(promises: &Promises, number: u64, address: Ipv4Addr, now: u64) {
    for (&other, &(promised, until)) in promises {
        assert!(
            other == number || promised != address || until <= now,
            "{address} goes to {number} at {now} but is promised to {other} until {until}"
        );
    }
}

#[test]
fn d19_d46_no_sequence_of_events_gives_an_address_to_two_machines() {
    for seed in 1..=60 {
        let mut random = Random(seed);
        let last = 100 + random.below(12) as u8;
        let mut pool = Pool::new(ip(100), ip(last), SERVER, 24, &[ip(103)]).unwrap_or_else(|_| pool_to(last));
        let mut promises = Promises::new();
        let mut aside: HashMap<Ipv4Addr, u64> = HashMap::new();
        let mut now = 0;
        for _ in 0..1500 {
            now += random.below(30) * random.below(2);
            let number = random.below(16);
            let who = machine(number);
            let address = ip(98 + random.below(16) as u8);
            match random.below(12) {
                0..=3 => {
                    if let Ok(offered) = pool.offer(&who, Some(address), HOLD, at(now)) {
                        check_promise(&promises, number, offered, now);
                        assert!(aside.get(&offered).is_none_or(|&until| until <= now));
                        let kept =
                            promises.get(&number).filter(|kept| kept.0 == offered && kept.1 > now + 60);
                        let until = kept.map_or(now + 60, |kept| kept.1);
                        promises.insert(number, (offered, until));
                    }
                }
                4..=6 => {
                    let wanted = promises.get(&number).map_or(address, |promise| promise.0);
                    if pool.bind(&who, wanted, Duration::from_secs(300), at(now)) {
                        check_promise(&promises, number, wanted, now);
                        assert!(aside.get(&wanted).is_none_or(|&until| until <= now));
                        assert!(wanted >= ip(100) && wanted <= ip(last));
                        promises.insert(number, (wanted, now + 300));
                    }
                }
                7 => {
                    // Twice is as good as once: then it was promised nothing any more.
                    if pool.release(&who, address, at(now))
                        && let Some((promised, _)) = promises.remove(&number)
                    {
                        assert_eq!(promised, address);
                    }
                }
                8 => {
                    if pool.decline(&who, address, at(now)) {
                        promises.remove(&number);
                        aside.insert(address, now + 600);
                    }
                }
                9 => {
                    pool.withdraw_offer(&who);
                    let kept = pool.binding(&who, at(now)).is_some_and(|binding| binding.is_live);
                    if !kept {
                        promises.remove(&number);
                    }
                }
                10 => {
                    let _ = pool.seen_in_use(address, mac(900 + random.below(3)), at(now));
                    // An offer it made void is no promise any more.
                    promises.retain(|&owner, promise| {
                        promise.1 <= now || pool.live_owner(promise.0, at(now)) == Some(&machine(owner))
                    });
                }
                _ => now += random.below(400),
            }
            check(&pool);
        }
    }
}

#[test]
fn who_cannot_have_its_reserved_address_yet_may_keep_the_one_it_was_offered() {
    let mut pool = pool_to(110);
    let one = machine(1);
    assert!(pool.reserve(&one, ip(105)));
    assert!(pool.seen_in_use(ip(105), mac(9), at(0)));
    let address = pool.offer(&one, None, HOLD, at(0)).expect("another");
    assert_ne!(address, ip(105));
    assert!(pool.bind(&one, address, LEASE, at(1)));
    assert!(pool.bind(&one, address, LEASE, at(60)), "renewed");
    // It is free again: the machine is to move.
    assert!(!pool.bind(&one, address, LEASE, at(700)));
    assert_eq!(pool.offer(&one, None, HOLD, at(700)), Ok(ip(105)));
}
