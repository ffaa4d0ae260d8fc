#![allow(clippy::arithmetic_side_effects)]

use super::*;

const T0: Duration = Duration::ZERO;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A transfer to a client that is never waited for less than a second.
fn start(size: u64, block_len: u16, window: u16, has_options: bool) -> (Transfer, Step) {
    let terms = Terms { block_len, window, has_options, ..Terms::default() };
    Transfer::start(size, &terms, T0)
}

/// A transfer of `blocks` full blocks (and the empty one that ends it) with a window of `window`, already under way.
fn under_way(blocks: u64, window: u16) -> Transfer {
    let (mut transfer, first) = start(blocks * 512, 512, window, true);
    assert_eq!(first, Step::OptionAck);
    assert_eq!(transfer.on_ack(0, T0), Step::Blocks(1..=u64::from(window).min(blocks + 1)));
    transfer
}

#[test]
fn t01_without_options_the_first_block_comes_at_once() {
    let (transfer, first) = start(1000, 512, 1, false);
    assert_eq!(first, Step::Blocks(1..=1));
    assert_eq!((transfer.extent(1), transfer.extent(2)), ((0, 512), (512, 488)));
}

#[test]
fn t13_a_request_is_a_late_copy_while_the_client_moves_on() {
    let (mut transfer, _) = start(5000, 512, 1, true);
    assert!(!transfer.is_moving(T0), "nothing was acknowledged: no answer was seen");
    transfer.on_ack(0, T0);
    transfer.on_ack(1, seconds(1));
    assert!(transfer.is_moving(seconds(1) + LATE / 2));
    assert!(!transfer.is_moving(seconds(1) + LATE), "it has begun again");
    (2..10).for_each(|block| drop(transfer.on_ack(block, seconds(2))));
    assert!(!transfer.is_moving(seconds(2)), "the last block is out: many ask anew without a last word");
}

#[test]
fn t10_data_wait_for_the_acknowledgement_of_the_options() {
    let (mut transfer, _) = start(1000, 512, 1, true);
    assert_eq!(transfer.on_ack(1, T0), Step::Wait);
    assert_eq!(transfer.on_ack(0, T0), Step::Blocks(1..=1));
}

#[test]
fn t11_an_error_after_the_options_is_a_probe() {
    let (mut transfer, _) = start(1000, 512, 1, true);
    assert_eq!(transfer.on_error(b"User aborted the transfer"), Step::Ended(Ending::Probe));
}

#[test]
fn t41_an_error_in_the_middle_ends_it_with_the_clients_words() {
    let mut transfer = under_way(10, 1);
    assert_eq!(transfer.on_error(b"disk full"), Step::Ended(Ending::Refused("disk full".into())));
}

#[test]
fn t14_a_repeated_acknowledgement_sends_nothing() {
    let mut transfer = under_way(10, 1);
    assert_eq!(transfer.on_ack(1, T0), Step::Blocks(2..=2));
    for _ in 0..5 {
        assert_eq!(transfer.on_ack(1, T0), Step::Wait);
    }
    assert_eq!(transfer.on_ack(2, T0), Step::Blocks(3..=3));
}

#[test]
fn t15_an_old_acknowledgement_is_ignored() {
    let mut transfer = under_way(10, 4);
    assert_eq!(transfer.on_ack(4, T0), Step::Blocks(5..=8));
    assert_eq!(transfer.on_ack(3, T0), Step::Wait);
    assert_eq!(transfer.on_ack(0, T0), Step::Wait);
}

#[test]
fn t16_an_acknowledgement_of_what_was_not_sent_is_ignored() {
    let mut transfer = under_way(10, 4);
    assert_eq!(transfer.on_ack(5, T0), Step::Wait);
    assert_eq!(transfer.on_ack(u16::MAX, T0), Step::Wait);
}

#[test]
fn t17_a_window_whose_first_block_was_lost_is_sent_again_once() {
    let mut transfer = under_way(10, 4);
    assert_eq!(transfer.on_ack(0, T0), Step::Blocks(1..=4));
    assert_eq!(transfer.on_ack(0, T0), Step::Wait);
    assert_eq!(transfer.on_ack(0, T0), Step::Wait);
    assert_eq!(transfer.on_ack(4, T0), Step::Blocks(5..=8));
    // This may be about the window before, if that came twice; the next one is about its own.
    assert_eq!(transfer.on_ack(4, T0), Step::Wait);
    assert_eq!(transfer.on_ack(8, T0), Step::Blocks(9..=11));
    assert_eq!(transfer.on_ack(8, T0), Step::Blocks(9..=11));
    assert_eq!(transfer.on_ack(8, T0), Step::Wait);
}

#[test]
fn t18_an_acknowledgement_within_the_window_goes_on_from_there() {
    let mut transfer = under_way(10, 4);
    assert_eq!(transfer.on_ack(2, T0), Step::Blocks(3..=6));
}

#[test]
fn t19_waits_double_and_end() {
    let mut transfer = under_way(10, 1);
    let (mut now, mut waits) = (T0, Vec::new());
    let ending = loop {
        let wait = transfer.deadline() - now;
        waits.push(wait.as_secs());
        assert_eq!(transfer.on_time(transfer.deadline() - Duration::from_millis(1)), Step::Wait);
        now = transfer.deadline();
        match transfer.on_time(now) {
            Step::Blocks(blocks) => assert_eq!(blocks, 1..=1),
            Step::Ended(ending) => break ending,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(waits[..6], [1, 2, 4, 8, 8, 8]);
    // Two minutes, and one packet in eight seconds.
    assert!(waits[4..].iter().all(|wait| *wait == 8) && now == seconds(127), "{waits:?}");
    assert_eq!(ending, Ending::Silent);
}

/// What is sent again to a client that falls silent, until the time is up: when, and which blocks.
fn silence(transfer: &mut Transfer, until: Duration) -> Vec<(u64, RangeInclusive<u64>)> {
    let mut sent = Vec::new();
    while transfer.deadline() < until {
        let now = transfer.deadline();
        match transfer.on_time(now) {
            Step::Blocks(blocks) => sent.push((now.as_secs(), blocks)),
            other => panic!("{now:?}: {other:?}"),
        }
    }
    sent
}

#[test]
fn t19_a_client_that_falls_silent_for_long_is_waited_for_and_sent_little() {
    let mut transfer = under_way(100, 4);
    assert_eq!(transfer.on_ack(4, T0), Step::Blocks(5..=8));
    let sent = silence(&mut transfer, seconds(110));
    let whole = sent.iter().filter(|(_, blocks)| *blocks == (5..=8)).count();
    assert!(transfer.is_doubtful() && (4..=6).contains(&whole), "{sent:?}");
    assert!(sent[whole..].iter().all(|(_, blocks)| *blocks == (5..=5)) && sent.len() <= 16, "{sent:?}");
    // It had all of the window, and goes on; or it had the first of it only.
    let mut other = transfer.clone();
    assert_eq!(transfer.on_ack(8, seconds(110)), Step::Blocks(9..=12));
    assert_eq!(other.on_ack(5, seconds(110)), Step::Blocks(6..=9));
    assert!(!transfer.is_doubtful() && !other.is_doubtful());
    // The next silence is a new one.
    let sent = silence(&mut transfer, seconds(110 + 25));
    assert!(sent.iter().all(|(_, blocks)| *blocks == (9..=12)), "{sent:?}");
    assert_eq!(transfer.on_ack(12, seconds(140)), Step::Blocks(13..=16));
}

#[test]
fn t19_who_is_never_heard_or_has_everything_is_not_waited_for_so_long() {
    let (unheard, _) = start(100_000, 512, 4, true);
    let mut all_sent = under_way(3, 4);
    assert_eq!(all_sent.on_ack(1, T0), Step::Blocks(2..=4));
    for (mut transfer, ending) in [(unheard, Ending::Silent), (all_sent, Ending::Unconfirmed)] {
        let mut now = T0;
        let step = loop {
            now = transfer.deadline().max(now);
            match transfer.on_time(now) {
                Step::Ended(ending) => break ending,
                _ => assert!(!transfer.is_doubtful()),
            }
        };
        assert!(step == ending && now < seconds(20), "{step:?} after {now:?}");
    }
}

#[test]
fn t19_a_client_may_ask_for_a_longer_wait() {
    let (mut transfer, _) = Transfer::start(
        1000,
        &Terms { has_options: true, patience: Patience::Asked(seconds(5)), ..Terms::default() },
        T0,
    );
    assert_eq!(transfer.deadline(), seconds(5));
    assert_eq!(transfer.on_time(seconds(5)), Step::OptionAck);
    assert_eq!(transfer.deadline(), seconds(13));
}

#[test]
fn t21_a_multiple_of_the_block_length_ends_with_an_empty_block() {
    let mut transfer = under_way(2, 1);
    assert_eq!(transfer.on_ack(1, T0), Step::Blocks(2..=2));
    assert_eq!(transfer.on_ack(2, T0), Step::Blocks(3..=3));
    assert_eq!(transfer.extent(3), (1024, 0));
    assert_eq!(transfer.on_ack(3, T0), Step::Ended(Ending::Done));
    assert_eq!(transfer.confirmed(), 1024);
    let (empty, first) = start(0, 512, 1, false);
    assert_eq!((first, empty.extent(1)), (Step::Blocks(1..=1), (0, 0)));
}

#[test]
fn t22_a_missing_last_acknowledgement_is_no_failure() {
    let (mut transfer, _) = start(100, 512, 1, false);
    let mut now = T0;
    let ending = loop {
        now += seconds(10);
        if let Step::Ended(ending) = transfer.on_time(now) {
            break ending;
        }
    };
    assert_eq!(ending, Ending::Unconfirmed);
}

#[test]
fn t24_a_rolled_over_zero_is_not_the_acknowledgement_of_the_options() {
    let (mut transfer, _) = start(8 * 70_000, 8, 4, true);
    assert_eq!(transfer.on_ack(0, T0), Step::Blocks(1..=4));
    for base in (4..65_532).step_by(4) {
        assert_eq!(transfer.on_ack(low_bits(base), T0), Step::Blocks(base + 1..=base + 4));
    }
    assert_eq!(transfer.on_ack(low_bits(65_532), T0), Step::Blocks(65_533..=65_536));
    assert_eq!(transfer.on_ack(0, T0), Step::Blocks(65_537..=65_540));
    assert_eq!(low_bits(65_537), 1);
}

/// A small generator (xorshift64*), so that a failure can be repeated.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }
}

/// Sends a file of `blocks` blocks over a wire that loses and doubles packets, to a client written after RFC 7440 §4.
/// Returns how often each block was sent.
fn over_a_bad_wire(seed: u64, blocks: u64, window: u16, loss: u64) -> Vec<u32> {
    let mut chance = Chance(seed | 1);
    let size = blocks * 8 - 3;
    let (mut transfer, _) = start(size, 8, window, true);
    let mut now = T0;
    let mut sent = vec![0_u32; blocks as usize + 1];
    // The client's side: the last block it has in order, and how many of the window have come.
    let (mut has, mut in_window) = (0_u64, 0_u64);
    let mut acks = vec![0_u16];
    for _ in 0..2_000_000 {
        let step = match acks.pop() {
            Some(_) if chance.next(100) < loss => continue,
            Some(ack) => {
                if chance.next(100) < loss {
                    acks.push(ack);
                }
                transfer.on_ack(ack, now)
            }
            None => {
                now = transfer.deadline();
                transfer.on_time(now)
            }
        };
        match step {
            Step::Ended(ending) => {
                assert!(
                    matches!(ending, Ending::Done | Ending::Unconfirmed),
                    "{ending:?} with {has} of {blocks}"
                );
                assert_eq!(has, blocks, "seed {seed}");
                return sent;
            }
            Step::Blocks(range) => {
                assert!(range.end() - range.start() < u64::from(window), "beyond the window");
                let mut gap = false;
                for block in range {
                    sent[block as usize] += 1;
                    if chance.next(100) < loss {
                        continue;
                    }
                    if block == has + 1 {
                        (has, in_window) = (block, in_window + 1);
                        gap = false;
                        if in_window == u64::from(window) || block == blocks {
                            acks.insert(0, low_bits(block));
                            in_window = 0;
                        }
                    } else if !gap {
                        gap = true;
                        acks.insert(0, low_bits(has));
                        in_window = 0;
                    }
                }
            }
            Step::OptionAck => acks.insert(0, 0),
            Step::Wait => {}
        }
    }
    panic!("seed {seed} does not end");
}

#[test]
fn t23_a_clean_wire_carries_every_block_once_and_rolls_over() {
    for window in [1, 4, 64] {
        assert!(
            over_a_bad_wire(1, 200_000, window, 0)[1..].iter().all(|count| *count == 1),
            "window {window}"
        );
    }
}

#[test]
fn a_bad_wire_delays_and_breaks_nothing() {
    for seed in 1..=60 {
        for window in [1, 2, 4, 16, 64] {
            over_a_bad_wire(seed, 150, window, 5);
        }
    }
}

/// How long 10 MB take over a wire with a round trip of 2 ms that loses 2 % of the packets each way, a block at a time.
fn over_a_lossy_wire(seed: u64) -> Duration {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let terms =
        Terms { block_len: 1468, has_options: true, patience: Patience::Adaptive, ..Terms::default() };
    let (mut transfer, mut step) = Transfer::start(10_000_000, &terms, T0);
    let mut now = T0;
    loop {
        let number = match step {
            Step::OptionAck => 0,
            Step::Blocks(ref blocks) => *blocks.start(),
            Step::Ended(ending) => {
                assert!(matches!(ending, Ending::Done | Ending::Unconfirmed), "{ending:?}");
                return now - T0;
            }
            Step::Wait => panic!("it waits for nothing"),
        };
        step = if chance.next(100) < 2 || chance.next(100) < 2 {
            now = transfer.deadline();
            transfer.on_time(now)
        } else {
            // No two are quite alike.
            now += Duration::from_micros(1_950 + chance.next(100));
            transfer.on_ack(low_bits(number), now)
        };
    }
}

/// Without any loss 6,813 round trips take 13.6 s.
#[test]
fn t19_what_a_wire_loses_costs_little_more_than_it_must() {
    let mut times: Vec<_> = (1..=20).map(over_a_lossy_wire).collect();
    times.sort();
    assert!(times[10] < Duration::from_secs(15), "{times:?}");
    assert!(times[19] < Duration::from_secs(17), "{times:?}");
}

/// EDK2 acknowledges what it has again for each block that comes twice (`Mtftp4RrqHandleData`): after a window that was sent
/// again too early, those are no reason to send the next one again.
#[test]
fn t48_a_window_that_came_twice_does_not_double_all_that_follow() {
    let mut transfer = under_way(100, 4);
    let mut now = transfer.deadline();
    assert_eq!(transfer.on_time(now), Step::Blocks(1..=4), "the client was busy");
    for window in 1..=20_u64 {
        let last = 4 * window;
        now += Duration::from_millis(1);
        assert_eq!(transfer.on_ack(low_bits(last), now), Step::Blocks(last + 1..=last + 4));
        // The second copy of the first one.
        let strays = if window == 1 { 4 } else { 0 };
        for _ in 0..strays {
            assert_eq!(transfer.on_ack(low_bits(last), now), Step::Wait);
        }
    }
    // Where nothing came twice it means what it says.
    assert_eq!(transfer.on_ack(80, now), Step::Blocks(81..=84));
    assert_eq!(transfer.on_ack(80, now), Step::Wait);
    // And those of the copy that this made mean nothing again.
    assert_eq!(transfer.on_ack(84, now), Step::Blocks(85..=88));
    assert_eq!(transfer.on_ack(84, now), Step::Wait);
    assert_eq!(transfer.on_time(transfer.deadline()), Step::Blocks(85..=88));
}
