//! An event as one line: for people, or as one JSON object.

use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::event::{Event, Fact};

/// Longest piece of foreign text in a line for people, in characters.
const MAX_TEXT: usize = 200;

/// `12:34:56  52:54:00:12:34:56  192.168.100.100  kernel      images/pxeboot/vmlinuz (8.2 MB, HTTP)`.
///
/// The time is that of `offset`. Text from the wire is escaped: a control byte would drive the terminal. An event that has
/// much to say has several lines, without the end of the last.
pub fn for_people(event: &Event, offset: UtcOffset) -> String {
    let lines: Vec<String> =
        event.what.sentences().iter().map(|sentence| line(event, sentence, offset)).collect();
    lines.join("\n")
}

fn line(event: &Event, sentence: &str, offset: UtcOffset) -> String {
    let time = moment(event.at_millis)
        .to_offset(offset)
        .format(format_description!("[hour]:[minute]:[second]"))
        .unwrap_or_default();
    // What the server says of itself ends with what to do.
    let is_own = event.mac.is_none() && event.ip.is_none();
    let sentence = if is_own { escape_whole(sentence) } else { escape(sentence) };
    let key = event.what.key();
    let ip = event.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
    match (event.mac, event.ip) {
        (None, None) => format!("{time}  {key:<10}  {sentence}"),
        (Some(mac), _) => format!("{time}  {mac}  {ip:<15}  {key:<10}  {sentence}"),
        // Not a machine that was given an address: the laptop itself, or a stranger.
        (None, Some(_)) => format!("{time}  {:<17}  {ip:<15}  {key:<10}  {sentence}", "-"),
    }
}

/// One JSON object: `time` (RFC 3339, UTC), `event`, `mac`, `ip`, and the event's own facts.
pub fn for_programs(event: &Event) -> String {
    let time = moment(event.at_millis)
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"))
        .unwrap_or_default();
    let mut object = serde_json::Map::new();
    object.insert("time".into(), time.into());
    object.insert("event".into(), event.what.key().into());
    if let Some(mac) = event.mac {
        object.insert("mac".into(), mac.to_string().into());
    }
    if let Some(ip) = event.ip {
        object.insert("ip".into(), ip.to_string().into());
    }
    for (name, fact) in event.what.facts() {
        let value = match fact {
            Fact::Text(text) => text.into(),
            Fact::Number(number) => number.into(),
            Fact::Counts(counts) => counts
                .into_iter()
                .map(|(name, number)| (name, number.into()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        };
        object.insert(name.into(), value);
    }
    serde_json::Value::Object(object).to_string()
}

/// `text` with everything that a terminal would act on written out, cut at [`MAX_TEXT`] characters.
pub fn escape(text: &str) -> String {
    escape_up_to(text, MAX_TEXT)
}

/// The same for text whose length is known to be small.
pub fn escape_whole(text: &str) -> String {
    escape_up_to(text, usize::MAX)
}

fn escape_up_to(text: &str, most: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == most {
            escaped.push_str("...");
            break;
        }
        if c.is_control() || is_invisible(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Marks that reorder or hide text around them (Unicode Standard Annex 9 §2).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn moment(unix_millis: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Protocol;
    use crate::event::{Step, What};
    use crate::wire::MacAddr;

    fn event(what: What) -> Event {
        Event {
            at_millis: 1_795_348_496_789,
            mac: Some(MacAddr([0x52, 0x54, 0, 0, 0, 1])),
            ip: Some([192, 168, 100, 100].into()),
            what,
        }
    }

    #[test]
    fn a_line_for_people_has_columns() {
        let kernel = What::Fetched {
            step: Step::Kernel,
            name: "images/pxeboot/vmlinuz".into(),
            bytes: 8_247_232,
            protocol: Protocol::Http,
        };
        assert_eq!(
            for_people(&event(kernel), UtcOffset::UTC),
            "11:54:56  52:54:00:00:00:01  192.168.100.100  kernel      images/pxeboot/vmlinuz (8.2 MB, HTTP)"
        );
    }

    #[test]
    fn counters_have_a_line_for_each_group() {
        let counts =
            vec![("sent.ack".to_owned(), 2), ("arp.check".to_owned(), 1), ("sent.nak".to_owned(), 0)];
        let event = Event { mac: None, ip: None, ..event(What::Counters { counts }) };
        assert_eq!(
            for_people(&event, UtcOffset::UTC),
            "11:54:56  counters    sent: ack 2\n11:54:56  counters    arp: check 1"
        );
    }

    #[test]
    fn a_line_for_programs_is_one_object() {
        let line = for_programs(&event(What::Offered { boot_file: Some("a\"\n\u{1b}[2J".into()) }));
        assert_eq!(
            line,
            r#"{"time":"2026-11-22T11:54:56.789Z","event":"offered","mac":"52:54:00:00:00:01","ip":"192.168.100.100","boot_file":"a\"\n\u001b[2J"}"#
        );
        assert!(!line.contains('\n'));
    }

    #[test]
    fn s07_foreign_text_does_not_drive_the_terminal() {
        let line = for_people(
            &event(What::Refused { reason: "x\u{1b}]0;y\u{7}\r\n\u{202e}z".into() }),
            UtcOffset::UTC,
        );
        assert!(line.ends_with("x\\u{1b}]0;y\\u{7}\\u{d}\\u{a}\\u{202e}z"), "{line}");
        assert_eq!(escape(&"a".repeat(500)).len(), MAX_TEXT + 3);
    }
}
