//! A TFTP transfer: whatever comes back from the client, each block is sent once, and once more only for a time-out, for a
//! repeated acknowledgement or for one within the window; never two windows of them, and never beyond the file.

use std::time::Duration;

use pxego::tftp::transfer::{Patience, RollOver, Step, Terms, Transfer};

/// The first bytes are the terms; each two that follow are one thing that happens.
pub fn tftp_session(data: &[u8]) {
    let [shape, window, size_high, size_low, events @ ..] = data else { return };
    let terms = Terms {
        block_len: 8 + u16::from(shape >> 4) * 97,
        window: 1 + u16::from(*window) % 64,
        has_options: *window > 0 || shape & 1 == 0,
        patience: match shape >> 1 & 3 {
            0 => Patience::Cautious,
            1 => Patience::Asked(Duration::from_secs(u64::from(*size_low))),
            _ => Patience::Adaptive,
        },
        roll_over: if shape & 8 == 0 { RollOver::ToZero } else { RollOver::ToOne },
        first_sendings: 1 + u32::from(*size_low) % 4,
    };
    let size = u64::from(u16::from_be_bytes([*size_high, *size_low]));
    let last = size / u64::from(terms.block_len) + 1;
    let mut now = Duration::from_secs(1);
    let (mut transfer, first) = Transfer::start(size, &terms, now);
    assert_eq!(first == Step::OptionAck, terms.has_options);

    let (mut sent, mut acknowledged) = (0, 0);
    // Reasons for which something may be sent again, and how often that was.
    let (mut reasons, mut again, mut may_repeat) = (0_u32, 0_u32, false);
    let look = |step: Step, sent: &mut u64, acknowledged: u64, again: &mut u32| {
        let Step::Blocks(blocks) = step else { return };
        let (start, end) = blocks.into_inner();
        assert!(start <= end && end <= last, "{start} to {end} of {last}");
        assert!(end - start < u64::from(terms.window), "more than a window");
        assert!(start > acknowledged, "acknowledged before");
        assert!(start <= *sent + 1, "a block is left out");
        *again += u32::from(start <= *sent);
        *sent = (*sent).max(end);
    };
    look(first, &mut sent, acknowledged, &mut again);
    for event in events.chunks_exact(2) {
        let (kind, value) = (event[0], event[1]);
        now += Duration::from_millis(u64::from(kind >> 4));
        let step = match kind & 7 {
            // Some acknowledgement near what is out, or any.
            0..=3 => {
                let number =
                    if kind & 8 == 0 { acknowledged + u64::from(value) % 70 } else { u64::from(value) * 257 };
                let step = transfer.on_ack(transfer.wire_number(number), now);
                if let Step::Blocks(blocks) = &step {
                    let (start, moves) = (*blocks.start(), blocks.start() - 1 > acknowledged);
                    assert!(terms.window > 1 || start > sent, "the Sorcerer's Apprentice");
                    assert!(start > sent || moves || may_repeat, "a repeated acknowledgement counts once");
                    reasons += u32::from(start <= sent);
                    may_repeat = start > sent;
                    acknowledged = start - 1;
                }
                step
            }
            4 | 5 => {
                now = if value < 128 {
                    transfer.deadline().max(now)
                } else {
                    now + Duration::from_millis(value.into())
                };
                let step = transfer.on_time(now);
                if let Step::Blocks(_) = step {
                    (reasons, may_repeat) = (reasons + 1, true);
                }
                step
            }
            6 => {
                reasons += 1;
                transfer.on_repeated_request(now)
            }
            _ => transfer.on_error(event),
        };
        if let Step::Ended(_) = step {
            return;
        }
        look(step, &mut sent, acknowledged, &mut again);
        assert!(again <= reasons, "sent again without a reason");
        assert!(transfer.confirmed() <= size);
    }
    // A client that is silent from now on is given up, after a bounded number of packets.
    for count in 0.. {
        assert!(count < 64, "it never ends");
        now = transfer.deadline().max(now);
        if let Step::Ended(_) = transfer.on_time(now) {
            return;
        }
    }
}
