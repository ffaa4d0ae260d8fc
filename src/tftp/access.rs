//! How much somebody gets before it was heard: a request can be sent in anybody's name.

/// Bytes of IP and UDP before a packet's own.
const HEADERS: usize = 28;

/// What somebody who never acknowledges gets for each byte it sent.
const AMPLIFICATION: usize = 5;

/// How often an answer of `answer` bytes may be sent to who sent `request` bytes and nothing since. Once in any case:
/// RFC 1350 has no other way to begin.
pub fn first_sendings(request: usize, answer: usize) -> u32 {
    let allowed = request.saturating_add(HEADERS).saturating_mul(AMPLIFICATION);
    let times = allowed.checked_div(answer.saturating_add(HEADERS)).unwrap_or(0);
    u32::try_from(times).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s05_the_first_packet_is_repeated_within_five_times_what_came() {
        // `pxelinux.0` with tsize and blksize, and its OACK.
        let (request, oack) = (46, 32);
        let times = first_sendings(request, oack) as usize;
        assert!(times >= 3 && times * (oack + HEADERS) <= 5 * (request + HEADERS));
        // Without options the first block is all there is.
        assert_eq!(first_sendings(19, 516), 1);
        assert_eq!(first_sendings(0, usize::MAX), 1);
    }
}
