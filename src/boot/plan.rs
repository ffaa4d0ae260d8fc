//! What a machine gets: the one value that every protocol asks.

use std::time::Duration;

use super::arguments::{self, Values};
use super::site::{Image, KickstartFacts, Packages, RunsOn, Site, Wait};
use crate::content::Protocol;
use crate::machine::{Assignment, Boot, ImageId, Machine};
use crate::media::{self, EntryKind, GrubVerb};
use crate::wire::MacAddr;

/// How long a menu waits when what it starts is decided: enough to stop it by hand, not enough to be noticed.
const DECIDED: Wait = Wait::For(Duration::from_secs(3));

/// How long it waits when somebody is to choose: what install media do.
const TO_CHOOSE: Wait = Wait::For(Duration::from_secs(60));

/// What somebody reads in front of a UEFI machine that is to start what it cannot.
pub const NEEDS_BIOS: [&str; 2] =
    ["it needs a BIOS, and this machine started by UEFI. ", "Set it to BIOS (legacy, CSM) in its setup."];

/// The same in front of one with a BIOS.
pub const NEEDS_UEFI: [&str; 2] =
    ["it needs UEFI, and this machine started by its BIOS. ", "Set it to UEFI in its setup."];

/// The label of what boots the machine's own disk.
pub const LOCAL: &str = "local";

/// The label of the unattended installation from the only image.
const KICKSTART: &str = "ks";

/// Labels that mean something of ours; an image's own entry of that name gets another.
const RESERVED: [&str; 4] = [LOCAL, KICKSTART, "disk", "reason"];

/// The machine that asks for its plan.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The card it boots from.
    pub mac: MacAddr,
    /// The secret in its kickstart's URL.
    pub token: &'a str,
    /// The images that it is installed with by a kickstart, with what is known of that.
    pub kickstarts: &'a [(ImageId, KickstartFacts)],
    /// What it is to do.
    pub assignment: &'a Assignment,
    /// The image whose loader it runs, as far as it is known.
    pub loader: Option<&'a ImageId>,
    /// The label that somebody chose at its last start, which that loader could not boot.
    pub pick: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// A machine of ours, with the images that it is installed with by a kickstart.
    pub fn new(machine: &'a Machine, kickstarts: &'a [(ImageId, KickstartFacts)]) -> Self {
        Self {
            mac: machine.mac,
            token: &machine.token,
            kickstarts,
            assignment: &machine.assignment,
            loader: machine.loader.as_ref(),
            pick: machine.pick.as_deref(),
        }
    }

    fn kickstart(&self, image: &ImageId) -> Option<KickstartFacts> {
        self.kickstarts.iter().find(|(id, _)| id == image).map(|(_, facts)| *facts)
    }
}

/// Something that a person may choose to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is typed at a prompt: lower-case letters, digits, `-`, `_` and `.`; unique.
    pub label: String,
    /// What it does, as people read it.
    pub title: String,
    /// What a person has to know before choosing it.
    pub note: Option<String>,
    /// What it does, as loaders do it.
    pub action: Action,
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Boots the machine's own disk.
    Local,
    /// Starts a kernel.
    Linux(Linux),
}

impl Action {
    /// The firmware that it needs.
    pub fn runs_on(&self) -> RunsOn {
        match self {
            Self::Local => RunsOn::Any,
            Self::Linux(linux) => linux.runs_on,
        }
    }
}

/// A kernel to start. Names are those on our server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linux {
    /// The kernel.
    pub kernel: String,
    /// The initial ramdisks, in order.
    pub initrds: Vec<String>,
    /// The kernel's arguments, in order.
    pub arguments: Vec<String>,
    /// The firmware it needs.
    pub runs_on: RunsOn,
    /// Whether the loader that shows the menu may be refused the kernel by Secure Boot, and another one is there that is
    /// not: the image's own.
    pub has_own_loader: bool,
}

/// What one machine gets now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the menu is headed.
    pub title: String,
    /// What a person has to read before anything else.
    pub message: Option<String>,
    /// What can be chosen; never empty.
    pub entries: Vec<Entry>,
    /// Which of them starts by itself.
    pub default: usize,
    /// How long that takes.
    pub wait: Wait,
    /// Whether somebody is to choose: then a menu fills the screen, where the loader has one.
    pub is_choice: bool,
    /// How a kernel is loaded by the GRUB that asks.
    pub grub_verb: GrubVerb,
    /// The text file above the prompt, a name on our server.
    pub display: Option<String>,
    /// The text files behind the F keys, by their number.
    pub screens: Vec<(u8, String)>,
}

impl Plan {
    /// What starts by itself.
    ///
    /// # Panics
    /// Never: a plan has its default entry.
    pub fn default_entry(&self) -> &Entry {
        self.entries.get(self.default).unwrap_or_else(|| &self.entries[0])
    }

    /// The same for firmware of one kind, whose menu has no entries that run on the `other` only. A loader takes the first
    /// entry where its default is not in the menu: if it is one of those, the disk takes its place, and somebody reads why.
    pub fn for_all_but(&self, other: RunsOn) -> Self {
        let entry = self.default_entry();
        if entry.action.runs_on() != other {
            return self.clone();
        }
        let needs = if other == RunsOn::UefiOnly { NEEDS_UEFI } else { NEEDS_BIOS };
        Self {
            message: Some(format!("{}: {}", entry.title, needs.concat())),
            default: self.entries.len().saturating_sub(1),
            wait: TO_CHOOSE,
            is_choice: true,
            ..self.clone()
        }
    }

    /// The key that starts the entry at `index` from a menu, where somebody is to choose: 0 is the disk.
    pub fn key(&self, index: usize) -> Option<char> {
        let entry = self.entries.get(index).filter(|_| self.is_choice)?;
        match entry.action {
            Action::Local => Some('0'),
            Action::Linux(_) => char::from_digit(u32::try_from(index + 1).ok()?, 10),
        }
    }

    /// An entry's title, with its key before it where it has one.
    pub fn title_with_key(&self, index: usize) -> String {
        let title = self.entries.get(index).map_or("", |entry| entry.title.as_str());
        self.key(index).map_or_else(|| title.to_owned(), |key| format!("{key}  {title}"))
    }
}

impl Site {
    /// What `machine` gets. An unknown machine gets the installer without a kickstart: the secret is not for strangers.
    pub fn plan(&self, machine: Option<Asker<'_>>) -> Plan {
        let loader =
            machine.and_then(|asker| asker.loader).or(self.loader.as_ref()).and_then(|id| self.image(id));
        let mut entries: Vec<Entry> =
            self.images.iter().flat_map(|image| self.entries_of(image, machine, loader)).collect();
        let local = media::Entry::local();
        entries.push(Entry { label: LOCAL.into(), title: local.title, note: None, action: Action::Local });

        let Choice { label, wait, message, is_choice } = self.choose(machine, &entries);
        let default = entries.iter().position(|entry| entry.label == label).unwrap_or(entries.len() - 1);
        let menu = self.only_image().and_then(|image| Some((image, image.menu.as_ref()?)));
        let name =
            |path: &String| menu.map_or_else(String::new, |(image, _)| self.tree_name(&image.id, path));
        Plan {
            title: self.menu_title(),
            message,
            entries,
            default,
            wait,
            is_choice,
            grub_verb: loader.or(self.images.first()).map_or(GrubVerb::Linux, |image| image.grub_verb),
            display: menu.and_then(|(_, menu)| menu.display.as_ref()).map(name),
            screens: menu.map_or_else(Vec::new, |(_, menu)| {
                menu.screens.iter().map(|(key, path)| (*key, name(path))).collect()
            }),
        }
    }

    /// The entry that `wish` names: a label, or an image's id.
    pub fn entry_label(&self, wish: &str) -> Option<String> {
        let labels = self.labels();
        if labels.iter().any(|label| label == wish) {
            return Some(wish.to_owned());
        }
        let image = self.images.iter().find(|image| image.id.as_str() == wish)?;
        Some(self.install_label(image))
    }

    /// What can be chosen, by its labels.
    pub fn labels(&self) -> Vec<String> {
        let of_image = |image| self.entries_of(image, None, None).into_iter().map(|entry| entry.label);
        // Without a machine there is no secret, and the entry that needs one is not shown.
        let unattended = self.only_image().filter(|image| image.has_kickstart).map(|_| KICKSTART.to_owned());
        let local = std::iter::once(LOCAL.to_owned());
        unattended.into_iter().chain(self.images.iter().flat_map(of_image)).chain(local).collect()
    }

    /// The image that has an entry of this label.
    pub fn image_of(&self, label: &str) -> Option<&Image> {
        let has = |image: &&Image| {
            image.entries.iter().any(|entry| self.label(image, &entry.id) == label)
                || self.install_label(image) == label
        };
        self.images.iter().find(has)
    }

    fn menu_title(&self) -> String {
        let menu_title = self.only_image().and_then(|image| image.menu.as_ref()?.title.clone());
        menu_title
            .or_else(|| Some(self.only_image()?.title.clone()))
            .unwrap_or_else(|| "Network boot".to_owned())
    }

    /// What is typed for the entry `id` of `image`, and for no other of this run.
    fn label(&self, image: &Image, id: &str) -> String {
        let is_first = image.entries.first().is_some_and(|first| first.id == id);
        match self.only_image() {
            Some(_) if RESERVED.contains(&id) => {
                // An image's own menu may have an entry `ks`, and one `ks-2`.
                let has = |label: &String| image.entries.iter().any(|entry| entry.id == *label);
                let mut numbered = (2_u32..).map(|number| format!("{id}-{number}"));
                numbered.find(|label| !has(label)).unwrap_or_default()
            }
            Some(_) => id.to_owned(),
            None if is_first && !image.has_kickstart => image.id.to_string(),
            None => {
                // The entry `2` of `tools` is not the image `tools-2`. No image has a dot in its name.
                let label = format!("{}-{id}", image.id);
                let is_of = |other: &Image| {
                    let rest = label.strip_prefix(other.id.as_str());
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
                };
                let is_longer = |other: &&Image| other.id.as_str().len() > image.id.as_str().len();
                if self.images.iter().filter(is_longer).any(is_of) {
                    format!("{}.{id}", image.id)
                } else {
                    label
                }
            }
        }
    }

    /// What is typed to install `image` as it is meant to be: unattended, where there is a kickstart.
    fn install_label(&self, image: &Image) -> String {
        match (self.only_image(), image.has_kickstart) {
            (Some(_), true) => KICKSTART.to_owned(),
            (None, _) => image.id.to_string(),
            (Some(_), false) => {
                image.entries.first().map_or_else(|| LOCAL.to_owned(), |first| self.label(image, &first.id))
            }
        }
    }

    /// What starts by itself, and when.
    fn choose(&self, machine: Option<Asker<'_>>, entries: &[Entry]) -> Choice {
        let has = |label: &String| entries.iter().any(|entry| entry.label == *label);
        let install = |image: &Image| {
            // A stranger gets no kickstart: the first way to install by hand.
            let first = image.entries.first().map_or("", |first| first.id.as_str());
            Some(self.install_label(image)).filter(has).unwrap_or_else(|| self.label(image, first))
        };
        let wished = self.wish.default.as_deref().and_then(|wish| {
            let image = self
                .images
                .iter()
                .find(|image| self.install_label(image) == wish || image.id.as_str() == wish);
            image.map(install).or_else(|| self.entry_label(wish)).filter(has)
        });
        let only = self.only_image().map(install);
        let decided = |label: String| Choice { label, wait: DECIDED, message: None, is_choice: false };
        let local = LOCAL.to_owned();
        let boot = machine.map_or(&Boot::Menu, |asker| &asker.assignment.boot);
        let bound = machine.and_then(|asker| self.image(asker.assignment.image.as_ref()?)).map(install);
        match boot {
            Boot::Held { reason } => {
                Choice { label: local, wait: Wait::Forever, message: Some(reason.clone()), is_choice: true }
            }
            Boot::Local => decided(local),
            // Where nothing says which image, somebody has to: the first one may be the wrong one.
            Boot::Install => match bound.or(wished).or(only) {
                Some(label) => decided(label),
                None => Choice { label: local, wait: TO_CHOOSE, message: None, is_choice: true },
            },
            Boot::Menu => {
                let picked = machine.and_then(|asker| asker.pick).map(str::to_owned).filter(has);
                let is_choice =
                    picked.is_none() && bound.is_none() && (only.is_none() || self.wish.wait.is_some());
                let wait = match (picked.is_some(), self.wish.wait) {
                    (false, Some(wait)) => wait,
                    (false, None) if is_choice => TO_CHOOSE,
                    _ => DECIDED,
                };
                // With several images nobody knows which one a machine is for that nobody stands at: none of them.
                let label = picked.or(bound).or(wished).or(only).unwrap_or(local);
                Choice { label, wait, message: None, is_choice }
            }
        }
    }

    /// What `image` offers to `machine`, which runs the loader of `loader`.
    fn entries_of(&self, image: &Image, machine: Option<Asker<'_>>, loader: Option<&Image>) -> Vec<Entry> {
        let own = image.entries.iter().filter(|entry| entry.kind != EntryKind::Local);
        let has_own_loader = !image.uefi_programs.is_empty()
            && self.only_image().is_none()
            && loader.is_some_and(|loader| loader.id != image.id);
        let mut entries = Vec::new();
        for (at, entry) in own.enumerate() {
            let linux = |kickstart| {
                let arguments = self.arguments(image, entry, machine, kickstart);
                Action::Linux(Linux {
                    kernel: self.tree_name(&image.id, &entry.kernel),
                    initrds: entry.initrds.iter().map(|path| self.tree_name(&image.id, path)).collect(),
                    arguments,
                    runs_on: image.runs_on(entry),
                    has_own_loader,
                })
            };
            let title = match self.only_image() {
                Some(_) => entry.title.clone(),
                None if entry.title.contains(&image.title) => entry.title.clone(),
                None => format!("{}: {}", image.title, entry.title),
            };
            let kickstart = machine
                .filter(|_| at == 0 && entry.takes_answer())
                .and_then(|asker| Some((asker.kickstart(&image.id)?, asker)));
            let kickstart =
                kickstart.map(|(facts, asker)| (facts, self.kickstart_url(&image.id, asker.token)));
            let (label, note) = (self.label(image, &entry.id), entry.note.clone());
            if !image.has_kickstart {
                // The installer asks all the same; what it is told, if anything, is whom to report to.
                entries.push(Entry { label, title, note, action: linux(kickstart) });
                continue;
            }
            let is_unattended = kickstart.is_some();
            if is_unattended {
                let disk = self.disk.as_ref().filter(|_| entry.takes_disk());
                entries.push(Entry {
                    label: self.install_label(image),
                    title: disk.map_or_else(
                        || title.clone(),
                        |disk| format!("Install {} on {disk}, which erases it", image.title),
                    ),
                    note: note.clone(),
                    action: linux(kickstart),
                });
            }
            let title = if is_unattended { format!("{title}, by hand") } else { title };
            entries.push(Entry { label, title, note, action: linux(None) });
        }
        entries
    }

    fn arguments(
        &self,
        image: &Image,
        entry: &media::Entry,
        machine: Option<Asker<'_>>,
        kickstart: Option<(KickstartFacts, String)>,
    ) -> Vec<String> {
        let tree = self.tree_url(&image.id);
        let own_source = kickstart.as_ref().is_some_and(|(facts, _)| facts.own_source);
        let elsewhere = match image.packages {
            Packages::Image(_) | Packages::Mirror(_) if !own_source => self.packages_url(image),
            _ => None,
        };
        let iso = self.url(Protocol::Http, &format!("i/{}.iso", image.id));
        let values = Values {
            tree: &tree,
            has_packages: image.packages == Packages::Own && !own_source,
            mirror: elsewhere.as_deref(),
            iso: Some(&iso),
            answer: kickstart.as_ref().map(|(_, url)| url.as_str()),
            mac: machine.map(|asker| asker.mac),
            server: self.server,
            arch: &image.arch,
            // Without an answer file a system nobody can log in to would take the place of what is there.
            disk: self.disk.as_deref().filter(|_| kickstart.is_some()),
        };
        let mut expanded = arguments::expand(&entry.arguments, &values);
        if kickstart.is_some_and(|(facts, _)| facts.needs_serial) {
            // Each spelling beside its kin; EL5 does not know the second, and passes it over.
            for (mac, serial) in [("inst.ks.sendmac", "inst.ks.sendsn"), ("kssendmac", "kssendsn")] {
                if expanded.iter().any(|argument| argument == mac) {
                    expanded.push(serial.to_owned());
                }
            }
        }
        expanded
    }
}

/// What starts by itself, and when.
struct Choice {
    label: String,
    wait: Wait,
    message: Option<String>,
    is_choice: bool,
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
