//! The answer files: `ks/<token>/ks.cfg`, and `ks/<token>/<image>/ks.cfg` where there are several images. cloud-init
//! takes a directory of them, and asks for `user-data` and others in it.

use std::sync::Arc;

use super::Tree;
use crate::boot::Site;
use crate::content::{Protocol, Request};
use crate::machine::{ImageId, Registry};

/// The kickstart for each image, with its installation source in it.
pub(super) struct Answers {
    of_images: Vec<(ImageId, Arc<[u8]>)>,
    is_only: bool,
}

impl Answers {
    pub(super) fn new(site: &Site, trees: &[Tree]) -> Self {
        let of_image = |(image, tree): (&crate::boot::site::Image, &Tree)| {
            let packages = site.packages_url(image).unwrap_or_else(|| site.tree_url(&image.id));
            let text = tree.kickstart.as_ref()?.render(&packages);
            Some((image.id.clone(), text.into()))
        };
        let of_images = site.images.iter().zip(trees).filter_map(of_image).collect();
        Self { of_images, is_only: site.only_image().is_some() }
    }

    /// The answer file called `ks/<rest>`, by HTTP only: a TFTP name is seen by every station of a hub, and no installer
    /// asks so.
    pub(super) fn find(&self, rest: &str, request: &Request<'_>, machines: &Registry) -> Option<Arc<[u8]>> {
        let (name, file) = rest.rsplit_once('/')?;
        let is_empty = match file {
            "ks.cfg" | "user-data" => false,
            // What cloud-init asks for beside `user-data`; without `meta-data` it takes neither.
            "meta-data" | "vendor-data" => true,
            _ => return None,
        };
        let (token, image) = name.split_once('/').map_or((name, None), |(token, image)| (token, Some(image)));
        if request.protocol != Protocol::Http || machines.by_token(token).is_none() {
            return None;
        }
        let is_asked = |id: &ImageId| match image {
            Some(image) => id.as_str() == image,
            None => self.is_only,
        };
        let (_, text) = self.of_images.iter().find(|(id, _)| is_asked(id))?;
        Some(if is_empty { Arc::default() } else { text.clone() })
    }
}
