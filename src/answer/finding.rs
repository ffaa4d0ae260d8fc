//! What the checker found: one line of a kickstart, what is wrong with it, what to write.

use std::fmt;

use super::Release;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The installer stops there.
    Error,
    /// The installer says so and goes on; a later release stops.
    Deprecated,
    /// The installer takes it; people may not want it.
    Advice,
}

impl Severity {
    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Deprecated => "deprecated",
            Self::Advice => "advice",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The line, counted from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// Where on the line, in characters from 1; 0 with line 0.
    pub column: usize,
    /// A stable word for this kind of finding.
    pub code: &'static str,
    /// What is wrong, as a sentence without its end.
    pub message: String,
    /// What to write instead.
    pub instead: Option<String>,
}

impl Finding {
    /// A finding about one line.
    pub(super) fn at(
        severity: Severity,
        line: usize,
        column: usize,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { severity, line, column, code, message: message.into(), instead: None }
    }

    /// A finding about the file as a whole.
    pub(super) fn whole(severity: Severity, code: &'static str, message: impl Into<String>) -> Self {
        Self::at(severity, 0, 0, code, message)
    }

    /// The same with what to write.
    pub(super) fn instead(mut self, instead: impl Into<String>) -> Self {
        self.instead = Some(instead.into());
        self
    }
}

impl fmt::Display for Finding {
    /// As compilers do it: `12:5: error: …; write …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{}: {}", self.severity.key(), self.message)?;
        match &self.instead {
            Some(instead) => write!(f, "; {instead}"),
            None => Ok(()),
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The release it was checked for.
    pub release: Release,
    /// One sentence about the whole, where one says more than many lines.
    pub summary: Option<String>,
    /// Everything found, by line.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether the installer stops.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }
}
