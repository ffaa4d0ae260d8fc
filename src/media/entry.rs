//! What an image offers to boot: its entries, their kernel arguments as templates, and the menu around them.
//!
//! A template is the words of a kernel command line with variables in braces, such as `inst.repo={repo}`;
//! `boot::arguments` expands it for one machine. Which variables there are stands there. What is to be read as it is,
//! braces included, goes through [`literal`] first.

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Installs.
    Install,
    /// Installs with the installer in text mode.
    Text,
    /// A shell on an installed system.
    Rescue,
    /// A system that runs without being installed.
    Live,
    /// A program of its own, such as a memory test.
    Tool,
    /// The machine's own disk.
    Local,
    /// What its menu says, no more is known.
    Other,
}

/// Something an image offers to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Short name to type and to bind a machine to: lower-case letters, digits, `-`, `_` and `.`; unique on its image.
    pub id: String,
    /// What a person reads.
    pub title: String,
    /// What it does.
    pub kind: EntryKind,
    /// The kernel, as a path of the tree; empty when `kind` is [`EntryKind::Local`].
    pub kernel: String,
    /// The initial ramdisks in order, as paths of the tree.
    pub initrds: Vec<String>,
    /// The kernel's arguments, as a template.
    pub arguments: String,
    /// What a person has to know before choosing it; `None` for what is known to work.
    pub note: Option<String>,
}

impl Entry {
    /// Starts the disk of the machine.
    pub fn local() -> Self {
        Self {
            id: "local".to_owned(),
            title: "Boot from the disk".to_owned(),
            kind: EntryKind::Local,
            kernel: String::new(),
            initrds: Vec::new(),
            arguments: String::new(),
            note: None,
        }
    }

    /// Whether its template takes the disk to install to.
    pub fn takes_disk(&self) -> bool {
        self.arguments.contains("{disk}")
    }

    /// Whether its template takes the answer file.
    pub fn takes_answer(&self) -> bool {
        self.arguments.contains("{answer}") || self.arguments.contains("{seed}")
    }
}

/// The answer file an installer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerKind {
    /// It reads none.
    None,
    /// Anaconda's kickstart.
    Kickstart,
    /// YaST's XML profile.
    AutoYast,
    /// Agama's profile in JSON.
    Agama,
    /// CoreOS' Ignition, in JSON.
    Ignition,
    /// The Debian installer's preseed.
    Preseed,
    /// A directory with `user-data` and `meta-data` for cloud-init (Ubuntu's autoinstall).
    Autoinstall,
    /// A script that the live system runs.
    Script,
    /// Alpine's overlay of `/etc`.
    Apkovl,
    /// A machine configuration of Talos.
    MachineConfig,
}

/// A menu that an image has for who boots from the medium itself, as far as another loader can show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Menu {
    /// The file it was read from, as a path of the tree.
    pub path: String,
    /// Its title.
    pub title: Option<String>,
    /// How long it waits, in tenths of a second; `None` when it waits for ever or says nothing.
    pub timeout: Option<u32>,
    /// The text file shown above the prompt, as a path of the tree.
    pub display: Option<String>,
    /// The text files behind F1 to F12 and their keys' numbers, as paths of the tree.
    pub screens: Vec<(u8, String)>,
    /// The entry it starts by itself, by its [`Entry::id`].
    pub default: Option<String>,
}

/// `text` as template that expands to it: one word, whatever it holds.
pub fn literal(text: &str) -> String {
    let mut word = String::new();
    for letter in text.chars() {
        match letter {
            '{' => word.push_str("{{"),
            '}' => word.push_str("}}"),
            // The kernel knows no way to write a quote (`lib/cmdline.c`, `next_arg`).
            '"' => {}
            letter if letter.is_control() => word.push('?'),
            letter => word.push(letter),
        }
    }
    if word.contains(char::is_whitespace) { format!("\"{word}\"") } else { word }
}

/// A path of the tree as it stands behind `{tree}/` in a template: with the escapes of a URL (RFC 3986 §2.1).
pub fn url_path(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/+:@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
