//! Watches over the media that images are on: tells when one is pulled, and takes back only the same one.
//!
//! A drive says nothing when its medium goes; reads fail. One that fails may be a bad sector, so several places are tried,
//! none of them from memory. While a medium is away its file is let go of, or the system would keep the dead drive and call
//! the next one by another name.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::chronicle::Chronicle;
use super::verify::{self, Opened};
use crate::event::What;
use crate::image::{Absence, Difference, Fingerprint, ImageFile, ReadAt};
use crate::net::medium;
use crate::net::signals::Stop;

/// How often media are looked after.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks between two at which a medium that nobody complained of is tried too.
const LOOKS_PER_TRY: u32 = 10;

/// Places tried to tell a bad sector from a medium that is gone.
const TRIED: usize = 3;

/// Bytes read at each: a page of the cache is the least that can be forgotten.
const PAGE: u64 = 4096;

/// An image that is watched over.
pub(super) struct Ward {
    image: Arc<ImageFile>,
    fingerprint: Fingerprint,
    state: State,
    looks: u32,
}

/// What was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Here,
    Gone,
    /// Another medium is in its place, with this difference.
    Replaced(Difference),
}

/// What a look at the path shows.
#[derive(Debug)]
enum Sight {
    /// Nothing, or nothing that can be read.
    Nothing,
    /// The image that was served.
    Same(ImageFile),
    /// Another one.
    Other(Difference),
}

impl Ward {
    /// Watches over `image` from now on.
    ///
    /// # Errors
    /// When its descriptor cannot be read.
    pub(super) fn new(image: Arc<ImageFile>) -> io::Result<Self> {
        let fingerprint = Fingerprint::take(image.as_ref())?;
        Ok(Self { image, fingerprint, state: State::Here, looks: 0 })
    }

    /// Reads what makes sure later that an image is the same. To be called once, before the first look; on a disc it takes
    /// a while. Should it fail, the first look finds out why.
    pub(super) fn learn(&mut self) {
        let _ = self.fingerprint.sample(self.image.as_ref());
    }

    /// Looks after the medium. Returns what there is to tell, once for each change.
    pub(super) fn look(&mut self) -> Option<What> {
        self.looks = self.looks.wrapping_add(1);
        let text = match self.state {
            State::Here => self.look_at_what_is_here()?,
            State::Gone | State::Replaced(_) => {
                let sight = self.look_for_what_is_gone();
                self.see(sight)?
            }
        };
        let image = self.image.path().display().to_string();
        Some(What::Medium { image, state: self.state.key(), text })
    }

    fn look_at_what_is_here(&mut self) -> Option<String> {
        if !self.image.is_suspect() && !self.looks.is_multiple_of(LOOKS_PER_TRY) {
            return None;
        }
        let tried = self.try_places();
        if tried.is_err() {
            self.image.set_absence(Some(Absence::Gone));
        }
        // Not before: who failed meanwhile asks whether that may pass.
        self.image.take_failure();
        let error = tried.err()?;
        if let Err(error) = medium::let_go(&self.image) {
            log::warn!("{} stays open: {error}", self.image.path().display());
        }
        self.state = State::Gone;
        Some(format!(
            "{} cannot be read any more ({error}): it was pulled, or is broken. Machines are told to come back; put it \
             back, and serving goes on",
            self.image.path().display()
        ))
    }

    /// Whether some of the places can be read from the medium itself. The error is that of the last one.
    fn try_places(&self) -> io::Result<()> {
        let places: Vec<u64> = Fingerprint::places(self.image.len()).collect();
        let mut last = Ok(());
        for number in 0..TRIED {
            // Others each time: one that is held in memory by somebody must not answer for a medium for ever.
            let turn = (self.looks as usize).wrapping_mul(TRIED).wrapping_add(number);
            let Some(place) = turn.checked_rem(places.len()).and_then(|at| places.get(at)) else {
                return last;
            };
            last = read_anew(&self.image, *place);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    fn look_for_what_is_gone(&self) -> Sight {
        let seen = ImageFile::open(self.image.path()).and_then(|image| {
            let mut fingerprint = Fingerprint::take(&image)?;
            if self.fingerprint.compare(&fingerprint).is_ok() {
                Fingerprint::places(image.len()).try_for_each(|place| read_anew(&image, place))?;
                fingerprint.sample(&image)?;
            }
            Ok((image, fingerprint))
        });
        match seen {
            Err(_) => Sight::Nothing,
            Ok((image, fingerprint)) => match self.fingerprint.compare(&fingerprint) {
                Ok(()) => Sight::Same(image),
                Err(difference) => Sight::Other(difference),
            },
        }
    }

    /// Acts on what was seen while the medium is away. Returns what there is to tell.
    fn see(&mut self, sight: Sight) -> Option<String> {
        let shown = self.image.path().display();
        let (state, text) = match sight {
            Sight::Nothing => (State::Gone, None),
            Sight::Same(again) => match medium::take_back(&self.image, &again) {
                Ok(()) => {
                    (State::Here, Some(format!("{shown} is back, the same as before; serving goes on")))
                }
                Err(error) => {
                    log::warn!("{shown} cannot be taken back: {error}");
                    return None;
                }
            },
            Sight::Other(difference) => {
                let text = format!(
                    "{shown} is another image now: {difference}. It is not served; put the one from before back, or stop \
                     pxego and start it with this one"
                );
                (State::Replaced(difference), Some(text))
            }
        };
        if state == self.state {
            return None;
        }
        self.image.set_absence(match state {
            State::Here => None,
            State::Gone => Some(Absence::Gone),
            State::Replaced(_) => Some(Absence::Replaced),
        });
        self.state = state;
        text
    }
}

impl State {
    fn key(&self) -> &'static str {
        match self {
            Self::Here => "back",
            Self::Gone => "gone",
            Self::Replaced(_) => "replaced",
        }
    }
}

/// Watches over the media of a run until `stop` is set, and has those images compared with their checksums that were not yet.
///
/// # Errors
/// When there are no threads left.
pub(super) fn watch(
    mut wards: Vec<Ward>,
    unchecked: Vec<Opened>,
    chronicle: Weak<Chronicle>,
    stop: Stop,
) -> io::Result<()> {
    let (reports, reported) = channel();
    verify::in_background(unchecked, reports, stop.clone())?;
    let tell = move |what| {
        if let Some(chronicle) = chronicle.upgrade() {
            chronicle.tell(what);
        }
    };
    // Not joined: a read from a dead drive can take minutes.
    std::thread::Builder::new().name("media".into()).spawn(move || {
        wards.iter_mut().for_each(Ward::learn);
        while !stop.wait(PAUSE) {
            wards.iter_mut().filter_map(Ward::look).for_each(&tell);
            reported.try_iter().filter_map(|report| report.event()).for_each(&tell);
        }
    })?;
    Ok(())
}

/// Reads the page at `place`, from the medium.
fn read_anew(image: &ImageFile, place: u64) -> io::Result<()> {
    let start = place - place % PAGE;
    let len = PAGE.min(image.len().saturating_sub(start));
    medium::forget(image, start, len);
    let mut page = vec![0; len as usize];
    image.read_exact_at(&mut page, start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A file in the place of a stick.
    struct Stick(PathBuf);

    impl Stick {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("pxego-custody-{}-{name}", std::process::id()));
            Self(path)
        }

        fn plug(&self, volume_id: &[u8; 8], with: u8) {
            let mut bytes = vec![with; 400 << 10];
            bytes[16 * 2048..][..2048].fill(b' ');
            bytes[16 * 2048 + 40..][..8].copy_from_slice(volume_id);
            // Not written into: whoever has the old one open would read it.
            self.pull();
            fs::write(&self.0, bytes).unwrap();
        }

        fn pull(&self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    impl Drop for Stick {
        fn drop(&mut self) {
            self.pull();
        }
    }

    fn ward(stick: &Stick) -> Ward {
        let mut ward = Ward::new(Arc::new(ImageFile::open(&stick.0).unwrap())).unwrap();
        ward.learn();
        ward
    }

    /// What many looks tell.
    fn told(ward: &mut Ward) -> Vec<String> {
        let looks = (0..3 * LOOKS_PER_TRY).filter_map(|_| ward.look());
        looks.map(|what| what.sentence()).collect()
    }

    /// As if its device had gone: nothing is read any more.
    fn unplug(ward: &Ward, stick: &Stick) {
        stick.pull();
        medium::let_go(&ward.image).unwrap();
    }

    #[test]
    fn a_pulled_stick_is_told_once_and_only_the_same_is_taken_back() {
        let stick = Stick::new("pulled");
        stick.plug(b"THE DISC", 7);
        let mut ward = ward(&stick);
        assert!(told(&mut ward).is_empty());
        unplug(&ward, &stick);
        let gone = told(&mut ward);
        assert!(gone.len() == 1 && gone[0].contains("cannot be read any more"), "{gone:?}");
        assert_eq!(ward.image.absence(), Some(Absence::Gone));

        for (volume_id, with, difference) in [
            (b"ANOTHER ", 7, "volume id is \"ANOTHER\", not \"THE DISC\""),
            (b"THE DISC", 8, "other contents"),
        ] {
            stick.plug(volume_id, with);
            let other = told(&mut ward);
            assert!(other.len() == 1 && other[0].contains(difference), "{other:?}");
            assert_eq!(ward.image.absence(), Some(Absence::Replaced));
        }
        stick.pull();
        assert!(told(&mut ward).is_empty(), "that it is not there was told");
        assert_eq!(ward.image.absence(), Some(Absence::Gone));

        stick.plug(b"THE DISC", 7);
        let back = told(&mut ward);
        assert!(back.len() == 1 && back[0].contains("is back"), "{back:?}");
        assert_eq!(ward.image.absence(), None);
        let mut buffer = [0; 10];
        ward.image.read_exact_at(&mut buffer, 300_000).unwrap();
        assert_eq!(buffer, [7; 10]);
    }

    #[test]
    fn a_bad_sector_or_a_file_without_a_name_is_not_a_pulled_stick() {
        let stick = Stick::new("bad");
        stick.plug(b"THE DISC", 7);
        let mut ward = ward(&stick);
        ward.image.note_failure();
        assert!(told(&mut ward).is_empty());
        stick.pull();
        ward.image.note_failure();
        assert!(told(&mut ward).is_empty(), "what is open can still be read");
        assert_eq!(ward.image.absence(), None);
    }
}
