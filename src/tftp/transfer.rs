//! One file on its way to one client, as a state machine (RFC 1350 §2, RFC 7440 §4).
//!
//! Blocks are counted from 1 without end; on the wire the count is 16 bits long and rolls over. Only a time-out sends a
//! block again, never a second acknowledgement of the same block: that is the Sorcerer's Apprentice (RFC 1123 §4.2.3.1).
//! Of a window, a repeated acknowledgement means that its first block was lost; it is sent again once.

use std::ops::RangeInclusive;
use std::time::Duration;

pub use super::retransmit::Patience;
use super::retransmit::{SHORTEST_WINDOW_WAIT, Timer};

/// A client that is silent for so long may have been switched off: firmware waits less for a packet.
const DOUBTFUL: Duration = Duration::from_secs(31);

/// One that is silent for so long is given up. In the middle of a large file a machine may check a signature, or draw, and
/// take nothing from its card meanwhile; GRUB acknowledges nothing while it has 50 packets to read (its net/tftp.c).
const GIVE_UP: Duration = Duration::from_secs(120);

/// The same once everything was sent: a boot program that has its file jumps into it without a last word.
const GIVE_UP_LAST: Duration = Duration::from_secs(7);

/// A copy of a request is late by less than this.
const LATE: Duration = Duration::from_millis(500);

/// How often the same is sent at least before a client is given up.
const MIN_SENDINGS: u32 = 3;

/// How often the first packet is sent to a client that was never heard: its address may be a forged one.
const MAX_FIRST_SENDINGS: u32 = 3;

/// The wait for the acknowledgement of the last block, at least: often there is none.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// What follows block 65535 on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RollOver {
    /// Block 0, as EDK2, iPXE, GRUB, PXELINUX and U-Boot count.
    #[default]
    ToZero,
    /// Block 1, as a few old clients count (tftp-hpa's `--rollover 1`).
    ToOne,
}

/// How a file is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Bytes in each block but the last; at least 1.
    pub block_len: u16,
    /// Blocks sent before an acknowledgement is waited for; at least 1.
    pub window: u16,
    /// Whether an OACK comes first.
    pub has_options: bool,
    /// How soon something is sent again.
    pub patience: Patience,
    /// What follows block 65535.
    pub roll_over: RollOver,
    /// How often the first packet may be sent to a client that was never heard.
    pub first_sendings: u32,
}

impl Default for Terms {
    /// Those of RFC 1350.
    fn default() -> Self {
        Self {
            block_len: 512,
            window: 1,
            has_options: false,
            patience: Patience::Cautious,
            roll_over: RollOver::ToZero,
            first_sendings: MAX_FIRST_SENDINGS,
        }
    }
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing but waiting.
    Wait,
    /// Send the OACK.
    OptionAck,
    /// Send these blocks.
    Blocks(RangeInclusive<u64>),
    /// The transfer is over.
    Ended(Ending),
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client has everything.
    Done,
    /// Everything was sent; the last acknowledgement did not come.
    Unconfirmed,
    /// The client only wanted to know the length.
    Probe,
    /// The client gave up, and said why.
    Refused(String),
    /// The client is not heard any more.
    Silent,
}

/// The state of a transfer. Time is counted from any moment, the same for all calls.
#[derive(Clone, Debug)]
pub struct Transfer {
    size: u64,
    block_len: u64,
    window: u64,
    roll_over: RollOver,
    first_sendings: u32,
    /// The OACK is out and not acknowledged.
    negotiating: bool,
    /// The last block that was acknowledged; 0 before the first.
    base: u64,
    /// The last block that was sent.
    sent: u64,
    /// The last block there is.
    last: u64,
    /// Whether the client was ever heard after its request.
    is_proven: bool,
    /// Whether no repeated acknowledgement counts until the client moves the base.
    repeated: bool,
    /// Whether something that follows the base was sent more than once.
    doubled: bool,
    /// How often it was sent.
    sendings: u32,
    /// When the client was last seen to go on.
    progress_at: Duration,
    /// Whether that is so long ago that it may not be there any more.
    is_doubtful: bool,
    timer: Timer,
}

impl Transfer {
    /// A transfer of `size` bytes, and the first thing to do.
    pub fn start(size: u64, terms: &Terms, now: Duration) -> (Self, Step) {
        let block_len = u64::from(terms.block_len.max(1));
        let mut transfer = Self {
            size,
            block_len,
            window: u64::from(terms.window.max(1)),
            roll_over: terms.roll_over,
            first_sendings: terms.first_sendings.clamp(1, MAX_FIRST_SENDINGS),
            negotiating: terms.has_options,
            base: 0,
            sent: 0,
            // A length that is a multiple of the block length ends with an empty block.
            last: size.checked_div(block_len).unwrap_or(0).saturating_add(1),
            is_proven: false,
            repeated: false,
            doubled: false,
            sendings: 1,
            progress_at: now,
            is_doubtful: false,
            timer: Timer::start(terms.patience, now),
        };
        if terms.has_options {
            return (transfer, Step::OptionAck);
        }
        // Nothing is known of the client: one block, whatever its window.
        transfer.sent = 1;
        let step = transfer.flight();
        (transfer, step)
    }

    /// Where block `number` begins in the file, and how many bytes it has.
    pub fn extent(&self, number: u64) -> (u64, usize) {
        let offset = number.saturating_sub(1).saturating_mul(self.block_len);
        let len = self.size.saturating_sub(offset).min(self.block_len);
        (offset, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Block `number` as it is counted on the wire.
    pub fn wire_number(&self, number: u64) -> u16 {
        match self.roll_over {
            RollOver::ToOne if number > 0 => {
                low_bits(number.saturating_sub(1).checked_rem(65535).unwrap_or(0).saturating_add(1))
            }
            _ => low_bits(number),
        }
    }

    /// Bytes that the client has, as far as it said.
    pub fn confirmed(&self) -> u64 {
        self.base.saturating_mul(self.block_len).min(self.size)
    }

    /// Whether the client has said nothing yet: the same request again is the same wish.
    pub fn is_unanswered(&self) -> bool {
        !self.is_proven
    }

    /// Whether everything was sent, and only the last acknowledgement is missing.
    pub fn is_all_sent(&self) -> bool {
        !self.negotiating && self.sent == self.last
    }

    /// Whether the client was silent for so long in the middle of the file that it may not be there any more.
    pub fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// When [`Transfer::on_time`] is to be called, if nothing happens before.
    pub fn deadline(&self) -> Duration {
        self.timer.deadline()
    }

    /// Whether the client takes block after block. Its request coming again now is a copy that came by a longer way: a machine
    /// that begins anew is silent first, for longer than half a second.
    pub fn is_moving(&self, now: Duration) -> bool {
        !self.is_unanswered() && !self.is_all_sent() && now.saturating_sub(self.progress_at) < LATE
    }

    /// When something was sent last.
    pub fn sent_at(&self) -> Duration {
        self.timer.sent_at()
    }

    /// The measured time from a window to its acknowledgement.
    pub fn round_trip(&self) -> Option<Duration> {
        self.timer.round_trip()
    }

    /// The client acknowledges `block`.
    pub fn on_ack(&mut self, block: u16, now: Duration) -> Step {
        if self.negotiating {
            // Anything else is of an earlier transfer between the same ports.
            if block != 0 {
                return Step::Wait;
            }
            self.negotiating = false;
            return self.advance(0, now);
        }
        match self.beyond_base(block) {
            None => Step::Wait,
            Some(0) => self.on_repeated_ack(now),
            Some(beyond) if self.base.saturating_add(beyond) == self.last => {
                self.is_proven = true;
                self.base = self.last;
                Step::Ended(Ending::Done)
            }
            Some(beyond) => self.advance(self.base.saturating_add(beyond), now),
        }
    }

    /// The client sends an ERROR with these words.
    pub fn on_error(&mut self, message: &[u8]) -> Step {
        if self.negotiating {
            return Step::Ended(Ending::Probe);
        }
        Step::Ended(Ending::Refused(String::from_utf8_lossy(message).into_owned()))
    }

    /// The time is `now`: whether it is time to send something again.
    pub fn on_time(&mut self, now: Duration) -> Step {
        if now < self.deadline() {
            return Step::Wait;
        }
        let silence = now.saturating_sub(self.progress_at);
        let patience = if self.is_all_sent() { GIVE_UP_LAST } else { GIVE_UP };
        if self.sendings >= MIN_SENDINGS && silence >= patience {
            return Step::Ended(if self.is_all_sent() { Ending::Unconfirmed } else { Ending::Silent });
        }
        if !self.is_proven && self.sendings >= self.first_sendings {
            return self.on_never_heard(silence, now);
        }
        self.sendings = self.sendings.saturating_add(1);
        self.timer.on_timeout(now);
        self.repeated = false;
        self.doubled = true;
        self.is_doubtful = self.is_proven && silence >= DOUBTFUL;
        if self.is_doubtful {
            // One packet is enough to be remembered by, and to the address of a machine that is gone it is all.
            let next = self.base.saturating_add(1);
            return Step::Blocks(next..=next);
        }
        self.flight()
    }

    /// Somebody who was never heard has got all that may be sent to a forged address. Its request may come again.
    fn on_never_heard(&mut self, silence: Duration, now: Duration) -> Step {
        if silence >= GIVE_UP_LAST {
            return Step::Ended(if self.is_all_sent() { Ending::Unconfirmed } else { Ending::Silent });
        }
        self.timer.on_timeout(now);
        Step::Wait
    }

    /// The first request came again: the same is sent again.
    pub fn on_repeated_request(&mut self, now: Duration) -> Step {
        self.timer.on_resent(now);
        self.progress_at = now;
        self.doubled = true;
        self.flight()
    }

    /// How far `block` is beyond the base, in serial arithmetic; `None` when it is old, or was never sent.
    fn beyond_base(&self, block: u16) -> Option<u64> {
        let base = self.wire_number(self.base);
        let beyond = match self.roll_over {
            RollOver::ToOne if self.base > 0 && block == 0 => return None,
            RollOver::ToOne if self.base > 0 && block < base => {
                u64::from(block).saturating_add(65535).saturating_sub(u64::from(base))
            }
            _ => u64::from(block.wrapping_sub(base)),
        };
        (beyond <= self.sent.saturating_sub(self.base)).then_some(beyond)
    }

    /// What is out and not acknowledged.
    fn flight(&self) -> Step {
        if self.negotiating { Step::OptionAck } else { Step::Blocks(self.base.saturating_add(1)..=self.sent) }
    }

    /// Everything up to `base` is there. An acknowledgement within the window means that what follows was lost: it is
    /// sent again now, and not once more for each of the blocks that still arrive behind the gap. Nor for those of a window
    /// that came twice: else each window would come twice from then on.
    fn advance(&mut self, base: u64, now: Duration) -> Step {
        let has_gap = base < self.sent;
        self.repeated = has_gap || self.doubled;
        self.doubled = has_gap;
        self.base = base;
        self.is_proven = true;
        self.sendings = 1;
        self.progress_at = now;
        self.is_doubtful = false;
        self.sent = base.saturating_add(self.window).min(self.last);
        let at_least = match self.sent {
            sent if sent == self.last => LAST_WAIT,
            _ if self.window > 1 => SHORTEST_WINDOW_WAIT,
            _ => Duration::ZERO,
        };
        self.timer.on_progress(now, at_least);
        self.flight()
    }

    fn on_repeated_ack(&mut self, now: Duration) -> Step {
        // EDK2 sends one for every stray block of a window (`Mtftp4RrqHandleData`).
        if self.window == 1 || self.repeated || !self.is_proven {
            return Step::Wait;
        }
        (self.repeated, self.doubled) = (true, true);
        self.timer.on_resent(now);
        self.flight()
    }
}

/// The last 16 bits of a number.
pub fn low_bits(number: u64) -> u16 {
    (number & 0xffff) as u16
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
