//! Options about machines: `--again`.

use crate::machine::keys;
use crate::wire::MacAddr;

/// What is armed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Every machine.
    All,
    /// This one.
    Machine(MacAddr),
}

/// `--again MAC|all`, repeated.
pub(super) fn again(texts: &[String]) -> Result<Vec<Again>, String> {
    let one = |text: &String| match text.trim() {
        "all" => Ok(Again::All),
        mac => keys::mac(mac).map(Again::Machine).map_err(|why| format!("--again: {why}, or all")),
    };
    texts.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_or_all_is_armed_again() {
        let parse = |texts: &[&str]| again(&texts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let mac = MacAddr([0x52, 0x54, 0, 0, 0, 1]);
        assert_eq!(parse(&["all", "5254.0000.0001"]), Ok(vec![Again::All, Again::Machine(mac)]));
        assert!(parse(&["node01"]).is_err_and(|why| why.contains("--again")));
    }
}
