//! Lists of machines: what is accepted can be found by its keys, and holds nothing that could be a line of its own.

use pxego::machine::MachineList;
use pxego::wire::MacAddr;

/// Reads `data` as a table of machines.
pub fn machine_list(data: &[u8]) {
    let list = match MachineList::parse(data) {
        Ok(list) => list,
        Err(errors) => {
            assert!(!errors.is_empty() && errors.len() <= 20);
            let lines = data.len() + 1;
            assert!(errors.iter().all(|error| error.line <= lines && !error.what.is_empty()));
            return;
        }
    };
    assert!(!list.rows().is_empty());
    for row in list.rows() {
        let no_card = MacAddr([2, 0, 0, 0, 0, 0xfe]);
        let found = match (row.mac, &row.serial) {
            (Some(mac), _) => {
                assert!(!mac.is_multicast());
                list.find(mac, None, None)
            }
            (None, Some(serial)) if row.uuid.is_none() => list.find(no_card, None, Some(serial)),
            _ => Some(row),
        };
        assert_eq!(found.map(|row| row.line), Some(row.line));
        assert!(row.variables.values().all(|value| !value.chars().any(char::is_control)));
        assert!(row.ip.is_none() || row.mac.is_some());
        if let Some(name) = &row.name {
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
        }
    }
}
