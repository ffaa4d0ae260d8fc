//! Images that belong together: the discs of one set, and an installer whose packages are on another image.

use super::Image;
use crate::boot::site::Packages;
use crate::machine::ImageId;
use crate::media::treeinfo::Discinfo;
use crate::order;

/// `items` with the discs of one set together, in the order of their numbers. A set stands where its first disc was named.
///
/// All discs of one compose have the same time stamp in `.discinfo`, which is what anaconda goes by
/// (`isys/method.c` of EL5 and EL6), and each its numbers.
pub(super) fn sets<T>(items: Vec<T>, disc: impl Fn(&T) -> Option<&Discinfo>) -> Vec<Vec<T>> {
    let mut sets: Vec<Vec<T>> = Vec::new();
    for item in items {
        let set = numbers(disc(&item)).and_then(|new| {
            let own = disc(&item)?;
            sets.iter_mut().find(|set| {
                set.iter().all(|it| {
                    let is_same = disc(it).is_some_and(|it| it.stamp == own.stamp && it.arch == own.arch);
                    is_same
                        && numbers(disc(it)).is_some_and(|it| it.iter().all(|number| !new.contains(number)))
                })
            })
        });
        match set {
            Some(set) => set.push(item),
            None => sets.push(vec![item]),
        }
    }
    for set in &mut sets {
        order::by_key(set, |it| numbers(disc(it)).and_then(|numbers| numbers.into_iter().min()));
    }
    sets
}

/// The numbers of a disc; `None` when it is all there is.
fn numbers(disc: Option<&Discinfo>) -> Option<Vec<u32>> {
    let disc = disc.filter(|disc| !disc.stamp.is_empty())?;
    disc.discs.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// Says where each image's packages come from: itself, another image of the same release, or `mirror`.
pub(super) fn complete(images: &mut [Image], mirror: Option<&str>) {
    let own = |image: &Image| image.media.packages();
    let releases: Vec<Release> = images.iter().filter(|image| own(image)).map(Release::of).collect();
    for image in images {
        image.packages = if own(image) {
            Packages::Own
        } else if let Some(other) = Release::of(image).among(&releases) {
            Packages::Image(other.clone())
        } else if let Some(url) = mirror {
            Packages::Mirror(url.to_owned())
        } else {
            Packages::Unknown
        };
    }
}

/// What two images have in common that one can install from the other.
#[derive(Clone, Debug)]
struct Release {
    id: ImageId,
    product: String,
    version: Option<String>,
    arch: String,
}

impl Release {
    fn of(image: &Image) -> Self {
        let media = &image.media;
        Self {
            id: image.id.clone(),
            product: media.product.clone(),
            version: media.version.clone(),
            arch: media.arch.clone(),
        }
    }

    /// The image of the same release, the one that says it most exactly first. Its installer has to fit its packages: 9.4's
    /// does not fit 9.6's. Where one says less than the other, as volume ids do, that is no contradiction.
    fn among<'a>(&self, others: &'a [Self]) -> Option<&'a ImageId> {
        let same = || others.iter().filter(|it| it.product == self.product && it.arch == self.arch);
        let is_part = |one: &str, other: &str| {
            other.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let fits = |it: &&Self| match (&self.version, &it.version) {
            (Some(own), Some(other)) => is_part(own, other) || is_part(other, own),
            _ => false,
        };
        same()
            .find(|it| it.version.is_some() && it.version == self.version)
            .or_else(|| same().find(fits))
            .map(|it| &it.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(text: &str) -> Option<Discinfo> {
        (!text.is_empty()).then(|| Discinfo::parse(text.replace(' ', "\n").as_bytes()))
    }

    /// Numbers of the items, sets in brackets.
    fn joined(discs: &[&str]) -> String {
        let items: Vec<(usize, Option<Discinfo>)> = discs.iter().map(|text| disc(text)).enumerate().collect();
        let sets = sets(items, |(_, disc)| disc.as_ref());
        let shown =
            sets.iter().map(|set| set.iter().map(|(at, _)| at.to_string()).collect::<Vec<_>>().join("+"));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_discs_of_one_compose_are_a_set() {
        for (discs, expected) in [
            (&["1.5 6.10 x86_64 1", "1.5 6.10 x86_64 2"][..], "0+1"),
            (&["1.5 6.10 x86_64 2", "9 9 x86_64 ALL", "1.5 6.10 x86_64 1"], "2+0 1"),
            (&["1.5 Final x86_64 1,2", "1.5 Final x86_64 3", "1.5 Final x86_64 4"], "0+1+2"),
            // The same disc twice, another compose, another architecture, no number, nothing at all.
            (&["1.5 6.10 x86_64 1", "1.5 6.10 x86_64 1"], "0 1"),
            (&["1.5 6.10 x86_64 1", "1.6 6.10 x86_64 2"], "0 1"),
            (&["1.5 6.10 x86_64 1", "1.5 6.10 i386 2"], "0 1"),
            (&["1.5 9 x86_64 ALL", "1.5 9 x86_64 ALL", "1.5 9 x86_64", "", ""], "0 1 2 3 4"),
        ] {
            assert_eq!(joined(discs), expected, "{discs:?}");
        }
    }

    #[test]
    fn an_installer_takes_the_packages_of_its_own_release() {
        let release = |id: &str, product: &str, version: Option<&str>, arch: &str| Release {
            id: ImageId::new(id),
            product: product.into(),
            version: version.map(str::to_owned),
            arch: arch.into(),
        };
        let dvds = [
            release("old", "Rocky Linux", Some("9.4"), "x86_64"),
            release("arm", "Rocky Linux", Some("9.6"), "aarch64"),
            release("alma", "AlmaLinux", Some("9.6"), "x86_64"),
            release("new", "Rocky Linux", Some("9.6"), "x86_64"),
        ];
        for (version, expected) in [
            (Some("9.6"), Some("new")),
            (Some("9.4"), Some("old")),
            (Some("9"), Some("old")),
            (Some("9.5"), None),
            (None, None),
        ] {
            let netinst = release("netinst", "Rocky Linux", version, "x86_64");
            assert_eq!(netinst.among(&dvds).map(ImageId::as_str), expected, "{version:?}");
        }
    }
}
