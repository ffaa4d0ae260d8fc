//! Short names for images: boot files have 128 bytes for everything.

use std::collections::BTreeSet;

use super::Image;
use crate::machine::ImageId;
use crate::media::{AnswerKind, Media};

/// Gives each image a name of its own: `el9`, and `el9-2` for the next one of that kind.
pub(super) fn give(images: &mut [Image]) {
    let mut taken = BTreeSet::new();
    for image in images {
        image.id = unique(&base(&image.media), &mut taken);
    }
}

fn unique(base: &ImageId, taken: &mut BTreeSet<ImageId>) -> ImageId {
    let numbered = (2_u32..).map(|number| ImageId::new(&format!("{base}-{number}")));
    let mut candidates = std::iter::once(base.clone()).chain(numbered);
    let id = candidates.find(|id| !taken.contains(id)).unwrap_or_else(|| base.clone());
    taken.insert(id.clone());
    id
}

/// What an image would be called alone.
fn base(media: &Media) -> ImageId {
    let major = media.major().filter(|_| media.answer == AnswerKind::Kickstart);
    let name = match major {
        Some(major) if media.product.starts_with("Fedora") => format!("f{major}"),
        Some(major) => format!("el{major}"),
        None => media.family.id.to_owned(),
    };
    let id = ImageId::new(&name);
    if id.as_str().is_empty() { ImageId::new("image") } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut taken = BTreeSet::new();
        let mut give = |name: &str| unique(&ImageId::new(name), &mut taken).to_string();
        let names = [give("el9"), give("el9"), give("el7"), give("el9"), give("el9-2")];
        assert_eq!(names, ["el9", "el9-2", "el7", "el9-3", "el9-2-2"]);
    }
}
