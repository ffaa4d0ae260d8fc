//! Kickstarts: whatever the bytes, what is served is what the user wrote, but for the one line that names the source.

use pxego::answer::kickstart::{Kickstart, Source};

const TREE: &str = "http://192.168.100.1/t/el9";
const COMMAND: &[u8] = b"url --url=http://192.168.100.1/t/el9";

/// Reads `data` as a kickstart and compares what is served with it.
pub fn kickstart(data: &[u8]) {
    let Ok(kickstart) = Kickstart::parse(data.to_vec()) else {
        return;
    };
    let served = kickstart.render(TREE);
    match kickstart.source() {
        Source::Own(command) => {
            assert_eq!(served, data);
            let is_there = data.windows(command.len()).any(|bytes| bytes == command.as_bytes());
            assert!(is_there, "{command} is not in it");
            return;
        }
        Source::Missing => {
            let mark: &[u8] = if data.starts_with(b"\xef\xbb\xbf") { b"\xef\xbb\xbf" } else { b"" };
            let rest = served.strip_prefix(mark).expect("what is put in stands behind the byte order mark");
            let rest = rest.strip_prefix(COMMAND).expect("the command stands first");
            let own = &data[mark.len()..];
            let line_end = rest.strip_suffix(own).expect("the user's lines follow, byte for byte");
            assert!([&b"\n"[..], b"\r", b"\r\n"].contains(&line_end), "{line_end:?}");
        }
        Source::Local { command, line } => {
            // Every line but that one is the same, with its own end.
            let (own, served) = (lines(data), lines(&served));
            assert_eq!(own.len(), served.len());
            for (index, (own, served)) in own.iter().zip(served).enumerate() {
                if index + 1 == *line {
                    let (text, end) = split_end(own);
                    assert!(text.windows(command.len()).any(|bytes| bytes == command.as_bytes()));
                    assert_eq!(served, [COMMAND, end].concat());
                } else {
                    assert_eq!(*own, served, "line {}", index + 1);
                }
            }
        }
    }
    if let Ok(again) = Kickstart::parse(served.to_vec()) {
        assert_eq!(again.source(), &Source::Own("url"), "what is served has a source");
        assert_eq!(again.render("http://other/"), served);
    }
}

/// The lines with what ends them: LF, CR LF or CR. The last one may be empty.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        let ends = *byte == b'\n' || *byte == b'\r' && text.get(at + 1) != Some(&b'\n');
        if ends {
            lines.push(&text[start..=at]);
            start = at + 1;
        }
    }
    lines.push(&text[start..]);
    lines
}

fn split_end(line: &[u8]) -> (&[u8], &[u8]) {
    let len = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    line.split_at(len)
}
