//! What is kept of a lease across a restart: one line of text each.
//!
//! `52:54:00:12:34:56 192.168.100.100 bound until 1795348800 2026-11-22T12:00:00Z`
//!
//! A file is a journal: later lines win. The time stands there twice, for the program and for the reader; a line whose two
//! times differ is damaged and does not count.

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv4Addr;

use super::identity::Identity;

/// What a machine's binding to an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    /// Granted.
    Bound,
    /// Given back; the machine gets the same address again if it is still free.
    Released,
    /// Found to be in use by somebody else; not given to anyone for a while.
    Declined,
}

/// One line of the lease file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRecord {
    /// Whose it is.
    pub identity: Identity,
    /// The address.
    pub address: Ipv4Addr,
    /// What became of it.
    pub state: LeaseState,
    /// When it ends (bound), ended (released) or may be given again (declined): seconds since 1970.
    pub until: u64,
}

/// A line of the lease file that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.what)
    }
}

/// The latest time that can be written with four digits for the year: 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;

/// The longest line read: an identity of 255 bytes in hexadecimal, and the rest.
const MAX_LINE: usize = 640;

impl LeaseRecord {
    /// The line, its newline included.
    pub fn to_line(&self) -> String {
        let until = self.until.min(LATEST);
        let state = match self.state {
            LeaseState::Bound => "bound",
            LeaseState::Released => "released",
            LeaseState::Declined => "declined",
        };
        format!("{} {} {state} until {until} {}\n", self.identity, self.address, Utc(until))
    }

    fn from_line(line: &[u8]) -> Result<Self, &'static str> {
        if line.len() > MAX_LINE {
            return Err("too long");
        }
        let text = std::str::from_utf8(line).map_err(|_| "not text")?;
        let mut words = text.split_ascii_whitespace();
        let mut word = |missing| words.next().ok_or(missing);
        let identity = Identity::from_text(word("no machine")?).ok_or("no such machine")?;
        let address = word("no address")?.parse().map_err(|_| "no such address")?;
        let state = match word("no state")? {
            "bound" => LeaseState::Bound,
            "released" => LeaseState::Released,
            "declined" => LeaseState::Declined,
            _ => return Err("no such state"),
        };
        if word("no time")? != "until" {
            return Err("no time");
        }
        let until = word("no time")?.parse().ok().filter(|&until| until <= LATEST).ok_or("no such time")?;
        if word("cut short")? != Utc(until).to_string() {
            return Err("its two times differ");
        }
        match words.next() {
            None => Ok(Self { identity, address, state, until }),
            Some(_) => Err("more than a lease"),
        }
    }
}

/// What still counts of `records`: the last for each machine and address, in their order. Restoring them gives the same as
/// restoring all.
pub fn latest(records: &[LeaseRecord]) -> Vec<LeaseRecord> {
    let mut seen = HashSet::new();
    let mut latest: Vec<_> = records
        .iter()
        .rev()
        .filter(|record| seen.insert((&record.identity, record.address)))
        .cloned()
        .collect();
    latest.reverse();
    latest
}

/// Reads a lease file: the records in their order, and the lines that do not count. Empty lines and comments (`#`) are
/// skipped; a last line without its newline is torn, whatever it says.
pub fn parse_lines(bytes: &[u8]) -> (Vec<LeaseRecord>, Vec<BadLine>) {
    let mut records = Vec::new();
    let mut bad = Vec::new();
    for (number, line) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
        let Some(line) = line.strip_suffix(b"\n") else {
            bad.push(BadLine { number, what: "torn: no newline at its end" });
            break;
        };
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match LeaseRecord::from_line(line) {
            Ok(record) => records.push(record),
            Err(what) => bad.push(BadLine { number, what }),
        }
    }
    (records, bad)
}

/// Seconds since 1970 as `2026-11-22T12:00:00Z` (RFC 3339).
struct Utc(u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = |secs: u64| secs.checked_div(86_400).unwrap_or(0);
        let (year, month, day) = date_of(day(self.0));
        let secs = self.0.checked_rem(86_400).unwrap_or(0);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01, by whole cycles of 400 years of 146,097 days.
fn date_of(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01, where the cycle begins, and 1970-01-01.
    let days = days.saturating_add(719_468);
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let leap_days = (day_of_cycle / 1460).saturating_add(day_of_cycle / 146_096);
    let leap_days = leap_days.saturating_sub(day_of_cycle / 36_524);
    let year_of_cycle = day_of_cycle.saturating_sub(leap_days) / 365;
    let days_before = year_of_cycle.saturating_mul(365).saturating_add(year_of_cycle / 4);
    let days_before = days_before.saturating_sub(year_of_cycle / 100);
    let day_of_year = day_of_cycle.saturating_sub(days_before);
    // Months from March on: 153 days in every five.
    let month_from_march = day_of_year.saturating_mul(5).saturating_add(2) / 153;
    let day = day_of_year.saturating_sub(month_from_march.saturating_mul(153).saturating_add(2) / 5);
    let month = if month_from_march < 10 {
        month_from_march.saturating_add(3)
    } else {
        month_from_march.saturating_sub(9)
    };
    let year = cycle.saturating_mul(400).saturating_add(year_of_cycle);
    (year.saturating_add(u64::from(month <= 2)), month, day.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_word_on_a_machine_and_an_address_counts() {
        let text = b"52:54:00:00:00:01 10.0.0.1 bound until 60 1970-01-01T00:01:00Z\n\
                     52:54:00:00:00:02 10.0.0.2 bound until 60 1970-01-01T00:01:00Z\n\
                     52:54:00:00:00:01 10.0.0.1 released until 0 1970-01-01T00:00:00Z\n";
        let (records, bad) = parse_lines(text);
        assert_eq!((records.len(), bad.len()), (3, 0));
        assert_eq!(latest(&records), records[1..]);
    }
    use crate::wire::MacAddr;

    fn record(state: LeaseState, until: u64) -> LeaseRecord {
        let identity = Identity::ethernet(MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        LeaseRecord { identity, address: Ipv4Addr::new(192, 168, 100, 100), state, until }
    }

    #[test]
    fn times_are_written_as_date_writes_them() {
        // From `date -u -d @N +%FT%TZ`.
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_795_348_800, "2026-11-22T12:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LATEST, "9999-12-31T23:59:59Z"),
        ];
        for (secs, text) in cases {
            assert_eq!(Utc(secs).to_string(), text);
        }
    }

    #[test]
    fn a_line_reads_as_it_looks() {
        let line = record(LeaseState::Bound, 1_795_348_800).to_line();
        assert_eq!(line, "52:54:00:12:34:56 192.168.100.100 bound until 1795348800 2026-11-22T12:00:00Z\n");
        for state in [LeaseState::Bound, LeaseState::Released, LeaseState::Declined] {
            let record = record(state, 1_795_348_800);
            assert_eq!(parse_lines(record.to_line().as_bytes()), (vec![record], vec![]));
        }
    }

    #[test]
    fn d49_damaged_lines_are_named_and_the_others_count() {
        let good = record(LeaseState::Bound, 1_795_348_800);
        let mut file = b"# leases\n\n".to_vec();
        file.extend_from_slice(good.to_line().as_bytes());
        for line in [
            "52:54:00:12:34:56 192.168.100.100 bound until 1795348801 2026-11-22T12:00:00Z",
            "52:54:00:12:34:56 192.168.100.100 bound until 1795348800",
            "52:54:00:12:34:56 192.168.100.300 bound until 1795348800 2026-11-22T12:00:00Z",
            "52:54:00:12:34 192.168.100.100 bound until 1795348800 2026-11-22T12:00:00Z",
            "52:54:00:12:34:56 192.168.100.100 lost until 1795348800 2026-11-22T12:00:00Z",
            "52:54:00:12:34:56 192.168.100.100 bound until 99999999999999 2026-11-22T12:00:00Z",
            "52:54:00:12:34:56 192.168.100.100 bound until 1795348800 2026-11-22T12:00:00Z more",
        ] {
            file.extend_from_slice(line.as_bytes());
            file.push(b'\n');
        }
        file.extend_from_slice(b"\xff\xfe\n");
        file.extend_from_slice(&[b'x'; MAX_LINE + 1]);
        file.push(b'\n');
        file.extend_from_slice(good.to_line().trim_end().as_bytes());
        let (records, bad) = parse_lines(&file);
        assert_eq!(records, [good]);
        let named: Vec<_> = bad.iter().map(|line| (line.number, line.what)).collect();
        let expected = [
            (4, "its two times differ"),
            (5, "cut short"),
            (6, "no such address"),
            (7, "no such machine"),
            (8, "no such state"),
            (9, "no such time"),
            (10, "more than a lease"),
            (11, "not text"),
            (12, "too long"),
            (13, "torn: no newline at its end"),
        ];
        assert_eq!(named, expected);
    }

    #[test]
    fn d49_a_line_torn_anywhere_never_reads_as_another_lease() {
        let whole = record(LeaseState::Bound, 1_795_348_800).to_line();
        for length in 0..whole.len() {
            let torn = whole.as_bytes().get(..length).unwrap();
            assert_eq!(parse_lines(torn).0, [], "{length}");
            // As it looks when the next run appends to it.
            let joined = [torn, whole.as_bytes()].concat();
            assert!(parse_lines(&joined).0.len() <= 1);
            assert!(parse_lines(&joined).0.iter().all(|lease| lease.to_line() == whole));
        }
    }
}
