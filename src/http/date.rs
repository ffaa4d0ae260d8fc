//! Dates as HTTP writes them: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).

use std::fmt;

use time::OffsetDateTime;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in seconds since 1970; shown as HTTP writes it. Past the year 9999 it is that year's last second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub u64);

/// 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Date {
    /// Appends it to `text`.
    pub(super) fn push(self, text: &mut String) {
        text.push_str(std::str::from_utf8(&self.text()).unwrap_or_default());
    }

    fn text(self) -> [u8; 29] {
        let seconds = self.0.min(LATEST);
        let moment = i64::try_from(seconds).ok().and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok());
        let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = moment.to_calendar_date();
        let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        let mut put = |at: usize, part: &[u8]| {
            let slots = text.iter_mut().skip(at);
            slots.zip(part).for_each(|(slot, byte)| *slot = *byte);
        };
        let two = |number: u8| [b'0' | (number / 10), b'0' | (number % 10)];
        // 1970-01-01 was a Thursday.
        let weekday = usize::try_from(seconds / 86_400 % 7).ok().and_then(|day| DAYS.get(day));
        let month = usize::from(u8::from(month)).checked_sub(1).and_then(|it| MONTHS.get(it));
        put(0, weekday.map_or(b"", |name| name.as_bytes()));
        put(8, month.map_or(b"", |name| name.as_bytes()));
        let [century, year] = [year / 100, year % 100].map(|it| u8::try_from(it).unwrap_or_default());
        let (hour, minute, second) = moment.to_hms();
        for (at, number) in [(5, day), (12, century), (14, year), (17, hour), (20, minute), (23, second)] {
            put(at, &two(number));
        }
        text
    }

    /// Reads the form that HTTP/1.1 writes; the two older ones nobody has sent for decades are `None`, and then the condition
    /// does not count.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let (_, rest) = text.split_once(", ")?;
        let mut words = rest.split(' ');
        let day: u8 = words.next()?.parse().ok()?;
        let name = words.next()?;
        let month = MONTHS.iter().position(|month| *month == name)?.checked_add(1)?;
        let year: i32 = words.next()?.parse().ok()?;
        let mut clock = words.next()?.split(':').map(str::parse::<u8>);
        let mut next = || clock.next()?.ok();
        let (hour, minute, second) = (next()?, next()?, next()?);
        if words.next() != Some("GMT") || words.next().is_some() {
            return None;
        }
        let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
        let date = time::Date::from_calendar_date(year, month, day).ok()?;
        let moment = date.with_hms(hour, minute, second.min(59)).ok()?.assume_utc();
        u64::try_from(moment.unix_timestamp()).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read() {
        for (seconds, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_348_800, "Sun, 22 Nov 2026 12:00:00 GMT"),
            (LATEST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(Date(seconds).to_string(), text);
            assert_eq!(Date::parse(text.as_bytes()), Some(Date(seconds)));
        }
        assert_eq!(Date(u64::MAX).to_string(), Date(LATEST).to_string());
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "yesterday", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT", "0"] {
            assert_eq!(Date::parse(text.as_bytes()), None, "{text}");
        }
    }
}
