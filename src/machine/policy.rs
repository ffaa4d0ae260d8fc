//! What the user says about machines before any of them is seen: `--machines`, `--only`, `--name`.

use std::collections::HashSet;
use std::sync::Arc;

use super::keys;
use super::list::{Listed, MachineList};
use super::naming::NamePattern;
use crate::wire::MacAddr;
use crate::wire::pxe::Uuid;

/// The machines that are served at all.
#[derive(Clone, Debug, Default)]
pub enum Only {
    /// All.
    #[default]
    Everyone,
    /// Those with these cards.
    Cards(HashSet<MacAddr>),
    /// Those of a list.
    List(MachineList),
}

impl Only {
    /// Reads MAC addresses with commas between them; nothing when `text` does not look like them and must be a file.
    ///
    /// # Errors
    /// When one of several is none.
    pub fn cards(text: &str) -> Result<Option<Self>, String> {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let macs: Vec<_> = words.iter().map(|word| keys::mac(word)).collect();
        if macs.iter().all(Result::is_err) {
            return Ok(None);
        }
        macs.into_iter().collect::<Result<_, _>>().map(|cards| Some(Self::Cards(cards)))
    }

    /// Whether a machine is served.
    pub fn contains(&self, mac: MacAddr, uuid: Option<Uuid>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Cards(cards) => cards.contains(&mac),
            Self::List(list) => list.find(mac, uuid, None).is_some(),
        }
    }
}

/// What is said about machines before they come.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Which is which.
    pub list: MachineList,
    /// Which are served.
    pub only: Only,
    /// What those are called that the list does not name.
    pub names: Option<NamePattern>,
}

impl Policy {
    /// The row of a machine.
    pub fn listed(&self, mac: MacAddr, uuid: Option<Uuid>, serial: Option<&str>) -> Option<Arc<Listed>> {
        self.list.find(mac, uuid, serial).cloned()
    }

    /// Whether every machine that is served has a kickstart of its own in the list.
    pub fn all_have_kickstarts(&self) -> bool {
        let has = |row: Option<Arc<Listed>>| row.is_some_and(|row| row.ks.is_some());
        match &self.only {
            Only::Everyone => false,
            Only::Cards(cards) => cards.iter().all(|card| has(self.listed(*card, None, None))),
            Only::List(list) => list.rows().iter().all(|row| {
                let uuid = row.uuid.as_deref();
                let same = |other: &&Arc<Listed>| {
                    row.mac.is_some() && other.mac == row.mac
                        || uuid.is_some() && other.uuid.as_deref() == uuid
                };
                has(self.list.rows().iter().find(same).cloned())
            }),
        }
    }

    /// Whether a name is one of the list.
    pub fn names(&self, name: &str) -> bool {
        self.list.rows().iter().any(|row| row.name.as_deref() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_those_that_are_not_named() {
        let known = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
        let stranger = MacAddr([0x52, 0x54, 0, 0, 0, 2]);
        assert!(Only::default().contains(stranger, None));
        let cards = Only::cards("52:54:00:00:00:01, 5254.0000.0003").expect("addresses").expect("addresses");
        assert!(cards.contains(known, None) && !cards.contains(stranger, None));
        let list = MachineList::parse(b"uuid,mac\n4c4c4544-0042-4810-8056-b4c04f4b4d32,52:54:00:00:00:01\n");
        let list = Only::List(list.expect("a list"));
        assert!(list.contains(known, None) && !list.contains(stranger, None));
        let uuid =
            [0x44, 0x45, 0x4c, 0x4c, 0x42, 0, 0x10, 0x48, 0x80, 0x56, 0xb4, 0xc0, 0x4f, 0x4b, 0x4d, 0x32];
        assert!(list.contains(stranger, Some(Uuid(uuid))));
    }

    #[test]
    fn whether_all_have_kickstarts_is_known_of_those_that_are_served() {
        let list = |text: &str| MachineList::parse(text.as_bytes()).expect("a list");
        let rows = "mac,uuid,ks\n52:54:00:00:00:01,,a.cfg\n52:54:00:00:00:02,,\n\
                    ,4c4c4544-0042-4810-8056-b4c04f4b4d32,c.cfg\n";
        let policy = |only| Policy { list: list(rows), only, names: None };
        let cards = |text| Only::cards(text).expect("addresses").expect("addresses");
        assert!(!policy(Only::Everyone).all_have_kickstarts());
        assert!(policy(cards("52:54:00:00:00:01")).all_have_kickstarts());
        assert!(!policy(cards("52:54:00:00:00:01,52:54:00:00:00:02")).all_have_kickstarts());
        assert!(!policy(cards("52:54:00:00:00:09")).all_have_kickstarts());
        let some = "mac,uuid\n52:54:00:00:00:01,\n,4c4c4544-0042-4810-8056-b4c04f4b4d32\n";
        assert!(policy(Only::List(list(some))).all_have_kickstarts());
        assert!(!policy(Only::List(list(rows))).all_have_kickstarts());
    }

    #[test]
    fn what_is_no_address_is_a_file() {
        assert!(Only::cards("machines.csv").is_ok_and(|cards| cards.is_none()));
        assert!(Only::cards("52:54:00:00:00:01,x").is_err());
    }
}
