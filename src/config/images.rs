//! The options about images and their menu.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::boot::site::{MenuWish, Wait};
use crate::machine::ImageId;

/// Longest time that a menu may wait, in seconds: PXELINUX gives up at 35,996 tenths of a second.
const MAX_WAIT: u64 = 3599;

/// A folder that is laid over images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlay {
    /// The image; `None` for all.
    pub image: Option<ImageId>,
    /// The folder.
    pub folder: PathBuf,
}

impl Overlay {
    /// Reads `DIR` or `ID=DIR`. A folder whose name looks so, and which is there, is a folder.
    pub(super) fn parse(text: &Path) -> Self {
        let bytes = text.as_os_str().as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=').filter(|_| !text.exists());
        let named = equals.and_then(|at| {
            let (id, folder) = (std::str::from_utf8(&bytes[..at]).ok()?, &bytes[at + 1..]);
            (ImageId::new(id).as_str() == id && !id.is_empty() && !folder.is_empty())
                .then(|| Self { image: Some(ImageId::new(id)), folder: OsStr::from_bytes(folder).into() })
        });
        named.unwrap_or_else(|| Self { image: None, folder: text.to_owned() })
    }
}

/// Reads `--default` and `--timeout`. Whether there is such an entry is known when the images are.
pub(super) fn menu(default: Option<&str>, timeout: Option<&str>) -> Result<MenuWish, String> {
    let wait = match timeout {
        None => None,
        Some("0") => Some(Wait::Not),
        Some("never") => Some(Wait::Forever),
        Some(text) => {
            let seconds = text.parse().ok().filter(|seconds| *seconds <= MAX_WAIT).ok_or_else(|| {
                format!("--timeout {text}: write seconds up to {MAX_WAIT}, such as 30, or never")
            })?;
            Some(Wait::For(Duration::from_secs(seconds)))
        }
    };
    Ok(MenuWish { default: default.map(str::to_owned), wait })
}

/// Reads `--mirror`: a URL that stands among a kernel's arguments and in a kickstart as it is.
pub(super) fn mirror(url: Option<&str>) -> Result<Option<String>, String> {
    let Some(url) = url else { return Ok(None) };
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!&()*+,;=%".contains(&byte);
    let rest = ["http://", "https://", "ftp://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    if rest.is_some_and(|rest| !rest.trim_matches('/').is_empty()) && url.bytes().all(is_safe) {
        return Ok(Some(url.trim_end_matches('/').to_owned()));
    }
    Err(format!(
        "--mirror {url}: write the URL of a tree, such as http://mirror.example.org/9/BaseOS/x86_64/os"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_menu_waits_as_long_as_it_was_told() {
        for (text, wait) in [
            ("0", Wait::Not),
            ("30", Wait::For(Duration::from_secs(30))),
            ("3599", Wait::For(Duration::from_secs(3599))),
            ("never", Wait::Forever),
        ] {
            assert_eq!(menu(None, Some(text)).map(|wish| wish.wait), Ok(Some(wait)));
        }
        for text in ["", "-1", "3600", "1.5", "1m"] {
            assert!(menu(None, Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_overlay_is_for_all_images_or_for_one() {
        for (text, image, folder) in [
            ("el9=/a/b", Some("el9"), "/a/b"),
            ("/a/b", None, "/a/b"),
            ("/a=b", None, "/a=b"),
            ("El9=/a", None, "El9=/a"),
            ("el9=", None, "el9="),
            ("=a", None, "=a"),
        ] {
            let overlay = Overlay { image: image.map(ImageId::new), folder: folder.into() };
            assert_eq!(Overlay::parse(Path::new(text)), overlay, "{text}");
        }
    }

    #[test]
    fn a_mirror_is_a_url_without_surprises() {
        let url = "http://mirror.example.org:8080/9/BaseOS/";
        assert_eq!(mirror(Some(url)), Ok(Some("http://mirror.example.org:8080/9/BaseOS".into())));
        for url in [
            "mirror.example.org",
            "http://",
            "http:///",
            "http://a b/",
            "http://a/\n",
            "http://a/'",
            "file:///x",
        ] {
            assert!(mirror(Some(url)).is_err(), "{url}");
        }
    }
}
