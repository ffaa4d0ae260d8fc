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
        let at = find(&hooked, &packages).expect("the first hook");
        let (before, rest) = (&hooked[..at], &hooked[at + packages.len()..]);
        let last = find(rest, b"%pre\n# pxego: ").expect("the other hooks");
        let own = [before, &rest[..last]].concat();
        // A last line that was open is closed.
        let closed = own.strip_suffix(b"\n").unwrap_or(&own);
        assert!(own == data || closed == data || is_split(data, before, &rest[..last]), "{own:?}");
    }
}

/// Whether the user's file is these two, with a line end of ours between or behind.
fn is_split(data: &[u8], before: &[u8], after: &[u8]) -> bool {
    let ends = |bytes: &[u8]| [bytes.to_vec(), bytes.strip_suffix(b"\n").unwrap_or(bytes).to_vec()];
    ends(before).iter().any(|before| ends(after).iter().any(|after| [&before[..], &after[..]].concat() == data))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
