//! The kickstart that is written where none is given.

use super::images::Image;
use super::{Refusal, ks};
use crate::answer::write::{Sources, write};
use crate::answer::{Kickstart, Profile, Release};
use crate::boot::site::Packages;
use crate::config::Config;

/// What a kickstart is written from: the address in it is known later.
pub(super) struct Written {
    profile: Profile,
    release: Release,
}

impl Written {
    /// The kickstart for an image whose tree is at `tree`. The line that says where packages come from is put in as into
    /// any other.
    pub(super) fn kickstart(&self, image: &Image, tree: &str) -> Option<Kickstart> {
        let own = if image.packages == Packages::Own { &image.media.repositories[..] } else { &[] };
        let sources = Sources { tree: None, ..Sources::of_tree(tree, own) };
        // It was written once before, to see that it can be.
        let text = write(&self.profile, self.release, &sources).ok()?;
        Kickstart::parse(text.into_bytes()).ok()
    }
}

/// The profile that kickstarts are written from; its passwords are made here, one for all images.
pub(super) fn profile(config: &Config) -> Result<Option<Profile>, Refusal> {
    let Some(written) = &config.written else { return Ok(None) };
    let mut profile = ks::of_file(written.profile.as_deref()).map_err(Refusal::wrong_use)?;
    if let Some(wipe) = &written.wipe {
        profile.disk.wipe = Some(wipe.clone());
    }
    ks::make_passwords(&mut profile)?;
    Ok(Some(profile))
}

/// What a kickstart for this image is written from. It is written once already, to see that it can be.
pub(super) fn write_from(profile: &Profile, image: &Image) -> Result<Written, Refusal> {
    let media = &image.media;
    let release = Release::of(media).ok_or_else(|| {
        Refusal::new(format!(
            "{} does not say its release, so no kickstart can be written for it. Write one with\n\n    \
             pxego ks --release EL9 >ks.cfg\n\nand give it with --ks ks.cfg",
            media.name
        ))
    })?;
    if image.packages == Packages::Unknown {
        return Err(Refusal::new(format!(
            "{} has no packages. Say where they are, such as --mirror http://mirror.example.org/path/to/the/tree, or give \
             the DVD image of the same release with another --iso",
            media.name
        )));
    }
    let text = write(profile, release, &Sources::default()).map_err(Refusal::new)?;
    if image.packages == Packages::Own {
        ks::refuse_missing(&text, release, image)?;
    }
    Ok(Written { profile: profile.clone(), release })
}
