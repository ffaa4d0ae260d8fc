//! Who serves this wire? Asked before the first answer, and watched as long as we run (field guide §1.11).
//!
//! A second DHCP server on a live network is the worst accident of this trade. So nobody is answered before the wire was
//! asked; where another server gives addresses we give none; and one that turns up later ends our giving them at once.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Mode;
use super::probe::ForeignServer;

/// How many questions go out one second apart. A server answers the first within a second unless it checks the address
/// first (ISC dhcpd pings for one second).
const QUICK_QUESTIONS: u32 = 3;
const QUICK: Duration = Duration::from_secs(1);

/// When silence means that there is none: on a wire on which nobody else was heard at all, and on another. A server may
/// first see whether the address is in use; then it is heard, for it asks by ARP. dnsmasq pings for more than three
/// seconds before it answers its first question (`PING_WAIT` in its config.h, counted in whole seconds).
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(5);

/// A port whose link has just come up may pass nothing on for two times the forward delay of spanning tree (IEEE 802.1D
/// §17.14: 15 s), and a moment.
const SPANNING_TREE: Duration = Duration::from_secs(35);

/// How often we ask in that time.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// How often we ask while we give addresses, and while somebody else does.
const ASK_ALONE: Duration = Duration::from_secs(30);
const ASK_BESIDE: Duration = Duration::from_secs(20);

/// How often we ask because a client does.
const ASK_WITH_CLIENTS: Duration = Duration::from_secs(5);

/// Questions without an answer after which the other server has gone.
const GONE_AFTER: u32 = 3;

/// A link on which nothing was heard for so long has something in its way.
const SILENT_LINK: Duration = Duration::from_secs(30);

/// What the user wants us to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What the wire asks for.
    Auto,
    /// The DHCP server. `force`: beside another one too.
    Full {
        /// Whether another server does not matter.
        force: bool,
    },
    /// Never a giver of addresses.
    Proxy,
    /// No DHCP at all.
    Off,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a question.
    Ask,
    /// Play this part from now on, because of that server if there is one.
    Become(Mode, Option<ForeignServer>),
    /// End: another server is there, and this user did not want to be beside it.
    Refuse(ForeignServer),
    /// Tell of another server that changes nothing; once for each.
    Tell(ForeignServer),
    /// Tell that machines will get no address: nobody gives any.
    NobodyGivesAddresses,
    /// Tell that nothing was heard on the link for a long time.
    Silent,
}

/// Where we stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No link: nobody can be asked.
    NoLink,
    /// Nobody is answered yet.
    Asking,
    /// We play this part.
    Settled(Mode),
}

/// The question and what is known about it. Time is counted from any moment, the same for all calls.
#[derive(Clone, Debug)]
pub struct Watch {
    wish: Wish,
    state: State,
    /// When asking began: with the link, or with the program.
    since: Duration,
    /// Whether we saw the link come up, so that spanning tree may be in the way.
    is_fresh_link: bool,
    /// When something was first heard on this link.
    heard: Option<Duration>,
    is_silence_told: bool,
    asked: u32,
    next_question: Duration,
    last_question: Duration,
    /// Questions since another server last answered one.
    unanswered: u32,
    told: Vec<Ipv4Addr>,
    foreign: Option<ForeignServer>,
}

impl Watch {
    /// At the start. `has_link`: now; `is_fresh_link`: it came up just before.
    pub fn new(wish: Wish, has_link: bool, is_fresh_link: bool, now: Duration) -> Self {
        Self {
            wish,
            state: if has_link { State::Asking } else { State::NoLink },
            since: now,
            is_fresh_link,
            heard: None,
            is_silence_told: false,
            asked: 0,
            next_question: now,
            last_question: now,
            unanswered: 0,
            told: Vec::new(),
            foreign: None,
        }
    }

    /// The part we play; `None` while that is not settled, and nobody is to be answered.
    pub fn mode(&self) -> Option<Mode> {
        match self.state {
            State::Settled(mode) => Some(mode),
            State::NoLink | State::Asking => None,
        }
    }

    /// The other server that made us what we are.
    pub fn foreign(&self) -> Option<&ForeignServer> {
        self.foreign.as_ref()
    }

    /// The link came up. A machine on a direct cable takes it down with every stage, so only the first is waited for.
    pub fn on_link(&mut self, now: Duration) {
        match self.state {
            State::NoLink => {
                self.state = State::Asking;
                (self.since, self.is_fresh_link, self.asked, self.next_question) = (now, true, 0, now);
            }
            // The cable may be in another switch now.
            State::Settled(_) => self.next_question = now,
            State::Asking => {}
        }
        self.since = now;
        self.is_silence_told = false;
        self.heard = None;
    }

    /// Another of our kind asks who serves this wire. Whoever has the lower Ethernet address goes first (`is_first`: the
    /// other one), so that two that start together do not both become servers: it has decided before we do. If it is us we
    /// ask once more, for the other may have come after our last question and know nothing of us.
    pub fn on_rival(&mut self, is_first: bool, now: Duration) {
        if self.state != State::Asking {
            return;
        }
        if is_first {
            self.since = self.since.max(now);
        } else {
            let next = now.max(self.last_question.saturating_add(QUICK));
            self.next_question = self.next_question.min(next);
        }
    }

    /// A frame of somebody else was heard: the link passes frames on.
    pub fn on_frame(&mut self, now: Duration) {
        if self.heard.is_none() {
            self.heard = Some(now);
            // Whoever was hidden can be asked from now on.
            if self.state == State::Asking && self.is_fresh_link {
                (self.asked, self.next_question) = (0, now);
            }
        }
    }

    /// A client looks for servers: another one that was silent until now would answer it, and so would it us.
    pub fn on_client(&mut self, now: Duration) {
        if self.state == State::Settled(Mode::Full)
            && now.saturating_sub(self.last_question) >= ASK_WITH_CLIENTS
        {
            self.next_question = self.next_question.min(now);
        }
    }

    /// Another server spoke, to us or to somebody else.
    pub fn on_foreign(&mut self, foreign: ForeignServer) -> Vec<Action> {
        let gives_addresses = foreign.offered.is_some();
        if gives_addresses {
            self.unanswered = 0;
        }
        let is_news = !self.told.contains(&foreign.ip);
        // As many as any wire has; a flood of made-up ones is not told.
        if is_news && self.told.len() < 64 {
            self.told.push(foreign.ip);
        }
        match (self.wish, self.state) {
            (_, State::NoLink) => Vec::new(),
            (Wish::Auto, state) if gives_addresses && state != State::Settled(Mode::Proxy) => {
                self.settle(Mode::Proxy, Some(foreign))
            }
            (Wish::Full { force: false }, State::Asking) if gives_addresses => vec![Action::Refuse(foreign)],
            (Wish::Proxy, State::Asking) if gives_addresses => self.settle(Mode::Proxy, Some(foreign)),
            _ if is_news => vec![Action::Tell(foreign)],
            _ => Vec::new(),
        }
    }

    /// A client took the offer of another server: that one gives addresses, though only its address is known. The wire is
    /// asked at once, to know more.
    pub fn on_other_server_chosen(
        &mut self,
        server: Ipv4Addr,
        took: Option<Ipv4Addr>,
        now: Duration,
    ) -> Vec<Action> {
        self.next_question = self.next_question.min(now);
        if self.state != State::Settled(Mode::Full) || self.wish != Wish::Auto {
            return Vec::new();
        }
        self.unanswered = 0;
        self.settle(
            Mode::Proxy,
            Some(ForeignServer { ip: server, mac: None, offered: took, has_boot_info: false }),
        )
    }

    /// What is to be done by now.
    pub fn due(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.state == State::NoLink {
            return actions;
        }
        if !self.is_silence_told && self.heard.is_none() && now >= self.since.saturating_add(SILENT_LINK) {
            self.is_silence_told = true;
            actions.push(Action::Silent);
        }
        if self.state == State::Asking && now >= self.decision() {
            actions.extend(self.nobody_answered());
            self.next_question = self.question_after(now);
        }
        if now >= self.next_question && self.wish != Wish::Off {
            actions.push(Action::Ask);
            self.last_question = now;
            self.unanswered = self.unanswered.saturating_add(1);
            self.asked = self.asked.saturating_add(1);
            self.next_question = self.question_after(now);
            if self.state == State::Settled(Mode::Proxy)
                && self.wish == Wish::Auto
                && self.unanswered > GONE_AFTER
            {
                actions.extend(self.settle(Mode::Full, None));
            }
        }
        actions
    }

    /// When [`Watch::due`] has something to do again.
    pub fn deadline(&self) -> Option<Duration> {
        let silence =
            (!self.is_silence_told && self.heard.is_none()).then(|| self.since.saturating_add(SILENT_LINK));
        let question = (self.wish != Wish::Off).then_some(self.next_question);
        match self.state {
            State::NoLink => None,
            State::Asking => [Some(self.decision()), question, silence].into_iter().flatten().min(),
            State::Settled(_) => [question, silence].into_iter().flatten().min(),
        }
    }

    /// When nobody has answered for long enough.
    fn decision(&self) -> Duration {
        match self.wish {
            Wish::Off => self.since,
            // Beside whomever: what is told about them can wait.
            Wish::Full { force: true } => self.since.saturating_add(PATIENCE),
            _ if !self.is_fresh_link => {
                let patience = if self.heard.is_some() { PATIENCE_WITH_OTHERS } else { PATIENCE };
                self.since.saturating_add(patience)
            }
            _ => {
                let hidden = self.since.saturating_add(SPANNING_TREE);
                self.heard.map_or(hidden, |heard| hidden.min(heard.saturating_add(PATIENCE_WITH_OTHERS)))
            }
        }
    }

    fn nobody_answered(&mut self) -> Vec<Action> {
        match self.wish {
            Wish::Off => self.settle(Mode::Off, None),
            Wish::Auto | Wish::Full { .. } => self.settle(Mode::Full, None),
            Wish::Proxy => {
                let mut actions = self.settle(Mode::Proxy, None);
                actions.push(Action::NobodyGivesAddresses);
                actions
            }
        }
    }

    fn settle(&mut self, mode: Mode, foreign: Option<ForeignServer>) -> Vec<Action> {
        self.state = State::Settled(mode);
        self.foreign = foreign;
        vec![Action::Become(mode, foreign)]
    }

    fn question_after(&self, now: Duration) -> Duration {
        let pause = match self.state {
            State::Settled(Mode::Full | Mode::Off) => ASK_ALONE,
            State::Settled(Mode::Proxy) => ASK_BESIDE,
            State::NoLink | State::Asking if self.asked < QUICK_QUESTIONS => QUICK,
            State::NoLink | State::Asking => ASK_AGAIN,
        };
        now.saturating_add(pause)
    }
}
