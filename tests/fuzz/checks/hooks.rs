//! Hooks in a kickstart: without them the user's file is there again, byte for byte.

use pxego::answer::hooks::{Dialect, insert};

const URL: &str = "http://192.168.100.1/hook/0123";

/// Puts hooks into `data`, for a release with and one without `%end`.
pub fn hooks(data: &[u8]) {
    for (family, has_end) in [("el5", false), ("el8plus", true)] {
        let Some(hooked) = insert(data, Dialect::of(family, "CentOS", Some("9")), URL) else {
            assert!(has_end, "an EL5 file cannot be left open");
            continue;
        };
        let end: &[u8] = if has_end { b"%end\n" } else { b"" };
        let packages = [
            &b"%post --nochroot\n# pxego: says how far the install is; nothing waits for it\nif [ -f /tmp/pxego-hook ]; then sh /tmp/pxego-hook packages & fi\n"[..],
            end,
        ]
        .concat();
        // The user's file may have hooks of ours already; the last of ours end the file.
        let last = places(&hooked, b"%pre\n# pxego: ").last().expect("the other hooks");
        let is_own = |at: usize| {
            let (before, after) = (&hooked[..at], &hooked[at + packages.len()..last]);
            let own = [before, after].concat();
            // A last line that was open is closed.
            own == data || own.strip_suffix(b"\n").unwrap_or(&own) == data || is_split(data, before, after)
        };
        let mut first = places(&hooked[..last], &packages);
        assert!(first.any(is_own), "{:?}", hooked.escape_ascii().to_string());
    }
}

/// Whether the user's file is these two, with a line end of ours between or behind.
fn is_split(data: &[u8], before: &[u8], after: &[u8]) -> bool {
    let ends = |bytes: &[u8]| [bytes.to_vec(), bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec()];
    ends(before)
        .iter()
        .any(|before| ends(after).iter().any(|after| [&before[..], &after[..]].concat() == data))
}

/// Where `wanted` stands in `bytes`.
fn places<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = bytes.windows(wanted.len()).enumerate();
    windows.filter(move |(_, window)| *window == wanted).map(|(at, _)| at)
}
