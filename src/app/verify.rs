//! Compares images with their own checksums: before serving when asked to, else meanwhile, without being in the way.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::event::{What, human_bytes};
use crate::image::{FileTree, ImageFile, ReadAt};
use crate::media::verify::{MAX_PIECE, Verdict, Verification};
use crate::net::medium::{self, PassingReader};
use crate::net::signals::Stop;

/// How long after a failed read the next one is tried: by then it is known whether the medium was pulled.
const PAUSE: Duration = Duration::from_secs(2);

/// How often the same bytes are tried while the medium is there.
const TRIES: u32 = 3;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// With a verdict.
    Verdict(Verdict),
    /// Something could not be read: where, and why.
    Unreadable(u64, String),
}

/// Everything that is known of an image when its check is over.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The image, as the user named it.
    pub(super) image: String,
    /// What it was compared with.
    pub(super) basis: String,
    /// What came of it.
    pub(super) checked: Checked,
}

impl Report {
    /// Whether machines can be given what is on the image, as far as is known.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.checked, Checked::Verdict(Verdict::Good { .. } | Verdict::NoChecksum))
    }

    /// A word for it.
    pub(super) fn key(&self) -> &'static str {
        match &self.checked {
            Checked::Verdict(Verdict::Good { .. }) => "good",
            Checked::Verdict(Verdict::NoChecksum) => "no checksum",
            Checked::Verdict(Verdict::Damaged(_)) => "damaged",
            Checked::Unreadable(..) => "unreadable",
        }
    }

    /// What a person reads after the image's name.
    pub(super) fn sentence(&self) -> String {
        match &self.checked {
            Checked::Verdict(Verdict::Good { bytes }) => {
                format!("undamaged: {} agree with its own checksums ({})", human_bytes(*bytes), self.basis)
            }
            Checked::Verdict(Verdict::NoChecksum) => {
                "has no checksum of its own; compare it with the publisher's by sha256sum".to_owned()
            }
            Checked::Verdict(Verdict::Damaged(damage)) => format!(
                "DAMAGED: {damage}. Do not install from it: copy or download it again. (If it was remade on purpose, its \
                 checksums were not)"
            ),
            Checked::Unreadable(at, error) => {
                format!(
                    "UNREADABLE at byte {at}: {error}. Copy it to another stick or disc, or download it again"
                )
            }
        }
    }

    /// The event; none for an image that has nothing to be compared with.
    pub(super) fn event(&self) -> Option<What> {
        let is_told = self.checked != Checked::Verdict(Verdict::NoChecksum);
        let text = format!("{} {}", self.image, self.sentence());
        is_told.then(|| What::Checked { image: self.image.clone(), verdict: self.key(), text })
    }
}

/// An image that is to be checked.
pub(super) struct Task {
    image: Arc<ImageFile>,
    verification: Verification,
}

impl Task {
    /// The check of an image that is open; `tree` has its files.
    pub(super) fn new(image: Arc<ImageFile>, tree: &dyn FileTree) -> Self {
        let verification = Verification::new(tree, image.as_ref());
        Self { image, verification }
    }

    /// How many bytes are to be compared.
    pub(super) fn total(&self) -> u64 {
        self.verification.total()
    }

    /// Checks now, whatever it takes. `None` when it was stopped.
    pub(super) fn run(mut self, stop: Option<&Stop>) -> Option<Report> {
        let mut reader = None;
        let checked = loop {
            match self.read_to_the_end(&mut reader, stop) {
                None => return None,
                Some(Ok(verdict)) => break Checked::Verdict(verdict),
                Some(Err((at, error))) => {
                    // Nothing holds a medium that was pulled.
                    reader = None;
                    if !self.waits_for_medium(stop) {
                        break Checked::Unreadable(at, error.to_string());
                    }
                }
            }
        };
        Some(Report {
            image: self.image.path().display().to_string(),
            basis: self.verification.basis(),
            checked,
        })
    }

    fn read_to_the_end(
        &mut self,
        reader: &mut Option<PassingReader>,
        stop: Option<&Stop>,
    ) -> Option<Result<Verdict, (u64, io::Error)>> {
        let mut buffer = vec![0; MAX_PIECE];
        while let Some(range) = self.verification.wants() {
            let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0).min(MAX_PIECE);
            let piece = buffer.get_mut(..len)?;
            let mut tries = 0;
            while let Err(error) = read(&self.image, reader, piece, range.start) {
                tries += 1;
                if tries == TRIES || self.image.absence().is_some() {
                    return Some(Err((range.start, error)));
                }
                *reader = None;
                self.image.note_failure();
                if stop.is_some_and(|stop| stop.wait(PAUSE)) {
                    return None;
                }
            }
            self.verification.take(piece);
            if stop.is_some_and(Stop::is_set) {
                return None;
            }
        }
        Some(Ok(self.verification.verdict()))
    }

    /// Waits for a medium that was pulled. Whether there is one to wait for, and nobody wants to stop.
    fn waits_for_medium(&self, stop: Option<&Stop>) -> bool {
        let Some(stop) = stop.filter(|_| self.image.absence().is_some()) else { return false };
        while self.image.absence().is_some() {
            if stop.wait(PAUSE) {
                break;
            }
        }
        true
    }
}

/// Fills `piece`, opening the image when it is not.
fn read(image: &ImageFile, reader: &mut Option<PassingReader>, piece: &mut [u8], at: u64) -> io::Result<()> {
    if image.absence().is_some() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let reader = match reader {
        Some(reader) => reader,
        None => reader.insert(PassingReader::open(image)?),
    };
    reader.read(piece, at)
}

/// An image and its files.
pub(super) type Opened = (Arc<ImageFile>, Arc<dyn FileTree>);

/// Checks one image after the other in a thread that is in nobody's way, and tells what came of each.
///
/// # Errors
/// When the thread cannot be started.
pub(super) fn in_background(images: Vec<Opened>, reports: Sender<Report>, stop: Stop) -> io::Result<()> {
    // Not joined: a read from a dead drive can take minutes.
    std::thread::Builder::new().name("verify".into()).spawn(move || {
        medium::be_idle();
        for (image, tree) in images {
            let Some(report) = Task::new(image, tree.as_ref()).run(Some(&stop)) else { return };
            // Nobody is left to be told when it is time to stop.
            let _ = reports.send(report);
        }
    })?;
    Ok(())
}
