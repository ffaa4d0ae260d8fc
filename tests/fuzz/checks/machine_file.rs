//! The file of machines, and what installers report: whatever the bytes, what is kept of them comes back as it was.

use pxego::machine::record::parse_lines;
use pxego::machine::report;

/// Reads `data` as the file, and as a report.
pub fn machine_file(data: &[u8]) {
    let (records, count, bad) = parse_lines(data);
    assert!(records.len() <= count && count + bad.len() <= data.len());
    let text: String = records.iter().map(|record| record.to_line() + "\n").collect();
    let (again, _, bad) = parse_lines(text.as_bytes());
    assert!(bad.is_empty(), "{bad:?}: {text}");
    assert_eq!(again, records);

    let secret = "0123456789abcdef";
    let lines = report::lines(data, &[secret]);
    assert!(lines.len() <= 60);
    for line in &lines {
        assert!(line.chars().count() <= 300 && !line.chars().any(char::is_control));
        assert!(!line.contains(secret) && !line.contains("$6$"));
    }
    let reason = report::reason(&lines);
    assert_eq!(reason.is_some(), lines.iter().any(|line| !line.starts_with("== ")));
}
