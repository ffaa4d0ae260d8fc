//! The kickstart that is written where none is given.

use super::images::Image;
use super::{Refusal, ks};
use crate::answer::hooks::Dialect;
use crate::answer::write::{Sources, without_passwords, write, write_asking};
use crate::answer::{Circumstances, Kickstart, Profile, Release};
use crate::boot::Site;
use crate::boot::site::Packages;
use crate::config::Config;
use crate::content::Protocol;
use crate::media::AnswerKind;

/// What a kickstart is written from: the address in it is known later.
pub(super) struct Written {
    /// `None`: the installer asks.
    profile: Option<Profile>,
    release: Release,
}

impl Written {
    /// Whether the installer asks all the same.
    pub(super) fn asks(&self) -> bool {
        self.profile.is_none()
    }

    /// The kickstart for an image whose tree is at `tree`; nothing where it cannot be written. Where one asks, its line `url`
    /// is written here; into one of a profile it is put when a machine fetches it, as into the user's own.
    pub(super) fn kickstart(&self, image: &Image, tree: &str) -> Option<Kickstart> {
        let own = if image.packages == Packages::Own { &image.media.repositories[..] } else { &[] };
        let sources = Sources::of_tree(tree, own);
        let text = match &self.profile {
            None => write_asking(self.release, &sources),
            // It was written once before, to see that it can be.
            Some(profile) => write(profile, self.release, &Sources { tree: None, ..sources }).ok()?,
        };
        Kickstart::parse(text.into_bytes()).ok()
    }
}

/// What kickstarts for an image must know, whose packages are at `tree`.
pub(super) fn circumstances(image: &Image, site: &Site, tree: String) -> Circumstances {
    let Image { id, media, .. } = image;
    Circumstances {
        server: site.server,
        http_port: site.http_port,
        root: site.url(Protocol::Http, ""),
        tree,
        image: id.to_string(),
        title: media.name.clone(),
        version: media.version.clone(),
        dialect: (media.answer == AnswerKind::Kickstart)
            .then(|| Dialect::of(media.family.id, &media.product, media.version.as_deref())),
    }
}

/// The profile that kickstarts are written from; its passwords are not made yet.
pub(super) fn profile(config: &Config) -> Result<Option<Profile>, Refusal> {
    let Some(written) = &config.written else { return Ok(None) };
    let mut profile = ks::of_file(written.profile.as_deref()).map_err(Refusal::wrong_use)?;
    if let Some(wipe) = &written.wipe {
        profile.disk.wipe = Some(wipe.clone());
    }
    Ok(Some(profile))
}

/// Makes the passwords, one for all images; unless no machine will ever get what is written.
pub(super) fn make_passwords<'a>(
    mut profile: Profile,
    written: impl Iterator<Item = &'a mut Written>,
) -> Result<(), Refusal> {
    let mut written = written.peekable();
    if written.peek().is_some() {
        ks::make_passwords(&mut profile)?;
        written.for_each(|it| it.profile = Some(profile.clone()));
    }
    Ok(())
}

/// What a kickstart for this image is written from. It is written once already, to see that it can be: with no password that
/// anybody was shown.
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
    let text = write(&without_passwords(profile), release, &Sources::default()).map_err(Refusal::new)?;
    if image.packages == Packages::Own {
        ks::refuse_missing(&text, release, image)?;
    }
    Ok(Written { profile: Some(profile.clone()), release })
}

/// What is written for an image where the user gave no kickstart and wants none: the installer asks, and tells how far it is.
/// Nothing where its release or its packages are not known.
pub(super) fn asking(image: &Image) -> Option<Written> {
    let release = Release::of(&image.media).filter(|_| image.packages != Packages::Unknown)?;
    Some(Written { profile: None, release })
}
