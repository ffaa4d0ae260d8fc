//! Arguments as other programs read them: `--opt=value`, `-vv`, `-ieth0`, and paths that are not UTF-8.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The words as argh reads them: one option or value each.
pub(super) fn words(arguments: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let mut words = Vec::new();
    let mut arguments = arguments.into_iter().map(|argument| escape(&argument));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--" => {
                words.push(argument);
                words.extend(arguments);
                break;
            }
            long if long.starts_with("--") => match long.split_once('=') {
                Some((name, value)) => words.extend([name.to_owned(), value.to_owned()]),
                None => words.push(argument),
            },
            short if short.starts_with('-') && short.chars().nth(2).is_some() => {
                let (name, rest) = short.split_at(2);
                if rest.chars().all(|c| c == 'v') && name == "-v" {
                    words.extend(std::iter::repeat_n("-v".to_owned(), rest.len() + 1));
                } else {
                    words.extend([name.to_owned(), rest.trim_start_matches('=').to_owned()]);
                }
            }
            _ => words.push(argument),
        }
    }
    words
}

/// First of the 128 code points that stand for bytes that are not UTF-8: the end of a private use plane, which no file
/// name has.
const ESCAPE: u32 = 0x10_FF00;

/// `argument` as text; a byte that is not UTF-8 becomes one code point, which [`path`] turns back.
fn escape(argument: &OsStr) -> String {
    let mut text = String::new();
    for chunk in argument.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|&byte| char::from_u32(ESCAPE + u32::from(byte))));
    }
    text
}

/// `ARCH=PATH`.
pub(super) fn arch_path(text: &str) -> Result<(String, PathBuf), String> {
    let (arch, file) = text.split_once('=').ok_or("has no \"=\"; write it as x64=FILE")?;
    Ok((arch.to_owned(), path(file)?))
}

/// The path that [`escape`] was given.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u32::from(c).checked_sub(ESCAPE).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if bytes.is_empty() {
        return Err("is empty; give a path".into());
    }
    Ok(OsString::from_vec(bytes).into())
}
