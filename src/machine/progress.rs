//! How far a machine's install is, and what follows from it for its next start.
//!
//! *armed → booting → installing → done*, or *failed*. Only the installer itself says that it is done: a hook at the end of
//! the kickstart. A machine that comes back from the network without having said so has failed; three such tries, and it is
//! held. Where nothing ever reports (`--no-hooks`, no kickstart), a machine that fetched packages and comes back counts as
//! installed: the worst that follows is a start from a disk that somebody must look at, never another wipe.

use super::assignment::Boot;

/// Tries until a machine is held.
pub const MAX_TRIES: u8 = 3;

/// Longest reason that is kept, in characters.
pub const MAX_REASON: usize = 300;

/// Where a machine stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its next start from the network installs it.
    #[default]
    Armed,
    /// It fetched the installer's kernel and ramdisk.
    Booting,
    /// The installer works.
    Installing,
    /// It is installed.
    Done,
    /// Its last try came to nothing.
    Failed,
}

impl Phase {
    /// All of them, in their usual order.
    pub const ALL: [Self; 5] = [Self::Armed, Self::Booting, Self::Installing, Self::Done, Self::Failed];

    /// A stable word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Armed => "armed",
            Self::Booting => "booting",
            Self::Installing => "installing",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// One machine's install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Where it stands.
    pub phase: Phase,
    /// How often its installer was started since it was armed.
    pub tries: u8,
    /// When it came to this phase, in seconds since 1970; 0 when it was never seen.
    pub since: u64,
    /// Why it failed, or by what it counts as done without having said so.
    pub reason: Option<String>,
    /// Whether its installer has reported in this try.
    pub has_reported: bool,
    /// Whether it was given a menu since its installer was last started.
    pub(super) at_menu: bool,
}

/// What the installer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// It works: the last of its `%pre` scripts.
    Started,
    /// The disks that were chosen in `%pre`.
    Storage,
    /// All packages are installed.
    Packages,
    /// The last of its `%post` scripts.
    Finished,
    /// It gave up.
    Failed,
}

impl Report {
    /// All of them, in their usual order.
    pub const ALL: [Self; 5] = [Self::Started, Self::Storage, Self::Packages, Self::Finished, Self::Failed];

    /// The word for it in URLs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Storage => "storage",
            Self::Packages => "packages",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// The report that is called so.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|report| report.key() == key)
    }
}

impl Progress {
    /// It fetches a menu: its next start of an installer is another try.
    pub fn sees_menu(&mut self) {
        self.at_menu = true;
    }

    /// It fetched the ramdisk, the last thing before the installer starts. Whether that is a new try: a loader that has to
    /// fetch it twice does not start twice.
    pub fn boots(&mut self, now: u64) -> bool {
        if !std::mem::take(&mut self.at_menu) {
            return false;
        }
        self.tries = self.tries.saturating_add(1);
        self.has_reported = false;
        self.enter(Phase::Booting, None, now)
    }

    /// The installer fetches packages. Whether that is news.
    pub fn takes_packages(&mut self, now: u64) -> bool {
        self.phase == Phase::Booting && self.enter(Phase::Installing, None, now)
    }

    /// The installer reports; `reason` says why it failed. Whether the machine's phase is another one now.
    pub fn reports(&mut self, report: Report, reason: Option<String>, now: u64) -> bool {
        match report {
            Report::Finished => {
                self.tries = 0;
                self.enter(Phase::Done, None, now)
            }
            Report::Failed => self.enter(Phase::Failed, reason, now),
            // A report that was sent again, and arrives late, undoes no end.
            Report::Storage | Report::Packages if matches!(self.phase, Phase::Done | Phase::Failed) => false,
            Report::Started | Report::Storage | Report::Packages => {
                self.has_reported = true;
                self.phase != Phase::Installing && self.enter(Phase::Installing, None, now)
            }
        }
    }

    /// Its firmware asks again. `packages` is how many its installer has fetched. Whether its phase is another one now.
    pub fn comes_back(&mut self, packages: u64, now: u64) -> bool {
        let reason = match (self.phase, self.has_reported) {
            (Phase::Armed | Phase::Done | Phase::Failed, _) => return false,
            (_, true) => "its installer began and restarted without reporting an end",
            (_, false) if packages > 0 => {
                let what = match packages {
                    1 => "what it installs".to_owned(),
                    many => format!("{many} packages"),
                };
                let reason = format!("it fetched {what} and restarted; nothing reported from it");
                self.tries = 0;
                return self.enter(Phase::Done, Some(reason), now);
            }
            (_, false) => "it fetched the installer and restarted before a single package",
        };
        self.enter(Phase::Failed, Some(reason.to_owned()), now)
    }

    /// Installs it again, whatever was. Whether that changes something.
    pub fn arm(&mut self, now: u64) -> bool {
        if self.phase == Phase::Armed && self.tries == 0 {
            return false;
        }
        *self = Self { since: now, ..Self::default() };
        true
    }

    /// Whether it gets nothing more until somebody says so.
    pub fn is_held(&self) -> bool {
        self.phase == Phase::Failed && self.tries >= MAX_TRIES
    }

    /// What it does at its next start when nobody touches its keyboard.
    pub fn boot(&self) -> Boot {
        match self.phase {
            Phase::Done => Boot::Local,
            _ if self.is_held() => Boot::Held {
                reason: format!(
                    "{MAX_TRIES} tries failed, the last: {}",
                    self.reason.as_deref().unwrap_or("the installer gave up")
                ),
            },
            _ => Boot::Menu,
        }
    }

    fn enter(&mut self, phase: Phase, reason: Option<String>, now: u64) -> bool {
        let reason = reason.map(|reason| reason.chars().take(MAX_REASON).collect());
        let is_news = phase != self.phase || reason != self.reason;
        (self.phase, self.reason, self.since) = (phase, reason, now);
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn booted() -> Progress {
        let mut progress = Progress::default();
        progress.sees_menu();
        assert!(progress.boots(1));
        progress
    }

    #[test]
    fn what_the_installer_says_leads_to_the_disk() {
        let mut progress = booted();
        assert_eq!((progress.phase, progress.tries, progress.boot()), (Phase::Booting, 1, Boot::Menu));
        assert!(progress.reports(Report::Started, None, 2));
        assert!(!progress.reports(Report::Storage, None, 3) && !progress.takes_packages(3));
        assert_eq!((progress.phase, progress.since), (Phase::Installing, 2));
        assert!(progress.reports(Report::Finished, None, 4));
        assert_eq!((progress.phase, progress.boot()), (Phase::Done, Boot::Local));
        assert!(!progress.reports(Report::Finished, None, 5) && !progress.reports(Report::Packages, None, 5));
        assert!(!progress.comes_back(900, 6), "that is what it is to do");
        assert_eq!(progress.boot(), Boot::Local);
        assert!(progress.arm(7));
        assert_eq!((progress.phase, progress.boot()), (Phase::Armed, Boot::Menu));
        assert!(!progress.arm(8));
    }

    #[test]
    fn three_failures_hold_it_and_the_reason_stays() {
        let mut progress = Progress::default();
        for number in 1..=MAX_TRIES {
            assert_eq!(progress.boot(), Boot::Menu, "{number}");
            progress.sees_menu();
            progress.boots(1);
            progress.reports(Report::Started, None, 2);
            assert!(progress.reports(Report::Failed, Some(format!("no disk {number}")), 3));
            assert!(!progress.comes_back(0, 4));
            assert_eq!(progress.tries, number);
        }
        let reason = "3 tries failed, the last: no disk 3".to_owned();
        assert_eq!(progress.boot(), Boot::Held { reason });
        assert!(progress.arm(5) && progress.boot() == Boot::Menu);
    }

    #[test]
    fn who_began_and_comes_back_without_an_end_has_failed() {
        let mut progress = booted();
        progress.reports(Report::Started, None, 2);
        assert!(progress.comes_back(500, 3));
        assert_eq!(progress.phase, Phase::Failed);
        for _ in 0..2 {
            progress.sees_menu();
            progress.boots(4);
            assert!(progress.comes_back(0, 5), "it never began");
        }
        assert!(progress.is_held(), "{progress:?}");
    }

    #[test]
    fn without_reports_packages_and_a_restart_count_as_installed() {
        let mut progress = booted();
        assert!(progress.takes_packages(2) && !progress.takes_packages(3));
        assert!(progress.comes_back(400, 4));
        assert_eq!((progress.phase, progress.boot(), progress.tries), (Phase::Done, Boot::Local, 0));
        assert!(progress.reason.is_some_and(|reason| reason.contains("400 packages")));
    }

    #[test]
    fn fetching_the_ramdisk_twice_is_one_try() {
        let mut progress = booted();
        assert!(!progress.boots(2) && progress.tries == 1);
        progress.sees_menu();
        progress.sees_menu();
        progress.boots(3);
        assert_eq!(progress.tries, 2);
    }

    #[test]
    fn an_installer_that_reports_without_our_menu_counts_too() {
        let mut progress = Progress::default();
        assert!(progress.reports(Report::Started, None, 1));
        assert!(progress.reports(Report::Failed, Some("x".repeat(1000)), 1));
        assert_eq!(progress.reason.map(|reason| reason.len()), Some(MAX_REASON));
    }
}
