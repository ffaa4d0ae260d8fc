//! What a machine is to do at its next start from the network: the one word that `boot` is told about it.

use std::fmt;

/// The short name of an image of this run, as it stands in served names: `t/<id>/…`. Lower-case letters, digits and `-`
/// only, so it needs no quoting in any menu, URL or file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageId(String);

impl ImageId {
    /// `text` as an id: its letters in lower case, its digits, and `-` for every run of anything else.
    pub fn new(text: &str) -> Self {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        Self(words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one machine gets at its next start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// The image it is bound to; `None` when it may choose. One that is not served in this run counts as none.
    pub image: Option<ImageId>,
    /// What happens when nobody touches its keyboard.
    pub boot: Boot,
}

/// What a machine does when nobody touches its keyboard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Boot {
    /// What the menu does by itself: installs the image it is bound to, or the only one; with several it boots its disk.
    #[default]
    Menu,
    /// Installs the image it is bound to, the default or the only one, whatever the menu would wait for.
    Install,
    /// Boots its own disk: it is done.
    Local,
    /// Nothing: it waits with the reason on its screen until somebody chooses.
    Held {
        /// Why, in one sentence for people.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_needs_no_quoting() {
        for (text, id) in [
            ("el9", "el9"),
            ("el9-2", "el9-2"),
            ("openSUSE Leap_15.6", "opensuse-leap-15-6"),
            ("../a\n'b'", "a-b"),
            ("", ""),
        ] {
            assert_eq!(ImageId::new(text).as_str(), id);
        }
    }
}
