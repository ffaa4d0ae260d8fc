//! Lines that send the installer elsewhere for what it installs than to the server that hands the kickstart out.
//!
//! A `url` line wins over what the kernel is told (`inst.repo`), so a file of another bench fetches from that bench: mostly
//! from an address that is not there any more.

use super::super::finding::{Finding, Severity};
use super::walk::{Seen, Walk, short};

/// What the server that hands a kickstart out has for its installer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// URL of the server's root, with a slash at its end.
    pub root: String,
    /// URL of the install tree, without a slash at its end; nothing where the image is not known.
    pub tree: Option<String>,
    /// Names of the repositories that the tree has beside its root, as they stand in its paths: `AppStream`.
    pub repositories: Vec<String>,
}

/// Commands that name a medium in the machine. The server puts its own address in their place
/// ([`super::super::Kickstart::render`]).
const MEDIA: [&str; 2] = ["cdrom", "harddrive"];

/// Advice on every line that names a source. Without `served` it is not known that there are packages, and only what can
/// never work is told.
pub(super) fn advise(walk: &Walk, served: Option<&Served>) -> Vec<Finding> {
    walk.seen.iter().filter_map(|seen| medium(seen, served).or_else(|| elsewhere(seen, served?))).collect()
}

fn medium(seen: &Seen, served: Option<&Served>) -> Option<Finding> {
    if !MEDIA.contains(&seen.name) {
        return None;
    }
    let message =
        format!("{} names a medium that a machine booted from the network does not have", seen.name);
    let instead = match served.and_then(|served| served.tree.as_deref()) {
        Some(tree) => format!("leave it out: machines get url --url={tree}"),
        None => "leave it out: machines get a url line in its place".to_owned(),
    };
    Some(Finding::at(Severity::Advice, seen.line, seen.column, "source", message).instead(instead))
}

fn elsewhere(seen: &Seen, served: &Served) -> Option<Finding> {
    let (place, column) = place(seen, &served.root)?;
    let own = match (&served.tree, seen.name) {
        (Some(tree), "liveimg") => format!("leave the line out, and packages come from {tree}"),
        (Some(tree), _) => {
            format!("write url --url={tree}, or leave the line out: machines get that one then")
        }
        (None, _) => "leave the line out: machines get one that points at the server".to_owned(),
    };
    let (message, instead) = match seen.name {
        "repo" => {
            let name = seen.value("--name").unwrap_or_default();
            let message =
                format!("the repository {} is at {place}, not on the server of this kickstart", short(name));
            (message, instead_of_repository(name, served))
        }
        "liveimg" => {
            (format!("what is installed comes from {place}, not from the image that is served"), own)
        }
        _ => (format!("packages come from {place}, not from the image that is served"), own),
    };
    Some(Finding::at(Severity::Advice, seen.line, column, "source", message).instead(instead))
}

fn instead_of_repository(name: &str, served: &Served) -> String {
    let same = served.repositories.iter().find(|known| known.eq_ignore_ascii_case(name));
    match same.zip(served.tree.as_ref()) {
        Some((known, tree)) => format!("write repo --name={known} --baseurl={tree}/{known}"),
        None => "leave the line out if the image has all that is wanted: on a bench without a way out the installer \
                 stops there"
            .to_owned(),
    }
}

/// The place that a line names, as it may be shown, and its column; nothing when that is the server at `root`, or in the
/// machine itself.
fn place(seen: &Seen, root: &str) -> Option<(String, usize)> {
    let options: &[&str] = match seen.name {
        "nfs" => {
            let server = seen.value("--server").filter(|server| !server.is_empty())?;
            return Some((format!("the NFS server {}", short(server)), seen.option_column("--server")));
        }
        "url" | "liveimg" => &["--url", "--mirrorlist", "--metalink"],
        "repo" => &["--baseurl", "--mirrorlist", "--metalink"],
        _ => return None,
    };
    let is_given = |name: &&str| seen.value(name).is_some_and(|url| !url.is_empty());
    let option = options.iter().copied().find(is_given)?;
    let url = seen.value(option)?;
    let is_local = ["file:", "hd:", "cdrom:", "/"].iter().any(|start| url.starts_with(start));
    if is_local || is_below(url, root) {
        return None;
    }
    Some((host(url), seen.option_column(option)))
}

/// Whether a URL is that of `root`, which has a slash at its end, or of something below it.
fn is_below(url: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    let Some((start, rest)) = url.split_at_checked(root.len()) else { return false };
    let is_usual_port = |rest: &str| rest == ":80" || rest.starts_with(":80/");
    start.eq_ignore_ascii_case(root) && (rest.is_empty() || rest.starts_with('/') || is_usual_port(rest))
}

/// Scheme and host of a URL: what stands before `@` is a password, what follows the host may be one.
fn host(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    let host = rest.rsplit('@').next().unwrap_or_default();
    let colon = if scheme.is_empty() { "" } else { "://" };
    short(&format!("{scheme}{colon}{host}"))
}

#[cfg(test)]
mod tests {
    use super::super::super::Release;
    use super::super::walk::walk;
    use super::*;

    fn served() -> Served {
        Served {
            root: "http://192.168.100.1/".into(),
            tree: Some("http://192.168.100.1/t/el9".into()),
            repositories: vec!["BaseOS".into(), "AppStream".into()],
        }
    }

    fn said(text: &str, served: Option<&Served>) -> Vec<String> {
        let findings = advise(&walk(text, Release::Enterprise(9)), served);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_that_lead_elsewhere_are_told_with_what_to_write() {
        for (line, place) in [
            ("url --url=http://10.0.0.1/el9/", "1:5: advice: packages come from http://10.0.0.1,"),
            (
                "url --noverifyssl --url https://a:pw@m.example.org/x",
                "1:19: advice: packages come from https://m.example.org,",
            ),
            ("url --mirrorlist=http://m.example.org/?arch=x", "from http://m.example.org,"),
            ("url --url=http://192.168.100.1:8080/", "from http://192.168.100.1:8080,"),
            ("url --url=http://192.168.100.10/", "from http://192.168.100.10,"),
            ("nfs --server=10.0.0.1 --dir=/x", "1:5: advice: packages come from the NFS server 10.0.0.1,"),
            ("liveimg --url=http://a/b.tar", "1:9: advice: what is installed comes from http://a,"),
        ] {
            let said = said(line, Some(&served()));
            assert!(said.len() == 1 && said[0].contains(place), "{line}: {said:?}");
            assert!(said[0].contains("http://192.168.100.1/t/el9") && !said[0].contains("pw"), "{said:?}");
        }
        let unknown = Served { tree: None, ..served() };
        assert!(
            said("url --url=http://a/", Some(&unknown))[0].contains("; leave the line out: machines get one")
        );
    }

    #[test]
    fn a_repository_that_the_image_has_is_named() {
        let said = said(
            "repo --name=appstream --baseurl=http://a/AppStream\nrepo --name=epel --metalink=https://b/?x\n\
                         repo --name=updates\n",
            Some(&served()),
        );
        assert_eq!(
            said,
            [
                "1:23: advice: the repository appstream is at http://a, not on the server of this kickstart; write repo \
                 --name=AppStream --baseurl=http://192.168.100.1/t/el9/AppStream",
                "2:18: advice: the repository epel is at https://b, not on the server of this kickstart; leave the line out \
                 if the image has all that is wanted: on a bench without a way out the installer stops there",
            ]
        );
    }

    #[test]
    fn a_medium_cannot_work_and_the_server_itself_is_right() {
        for text in ["cdrom\n", "harddrive --partition=sda1 --dir=/\n"] {
            assert!(
                said(text, Some(&served()))[0].contains("machines get url --url=http://192.168.100.1/t/el9")
            );
            assert_eq!(said(text, None).len(), 1);
        }
        for text in [
            "url --url=http://192.168.100.1/\n",
            "url --url=http://192.168.100.1:80/t/el9\n",
            "url --url=HTTP://192.168.100.1\n",
            "repo --name=x --baseurl=file:///mnt\n",
            "%pre\nurl --url=http://a/\n%end\n",
        ] {
            assert!(said(text, Some(&served())).is_empty(), "{text}");
        }
        assert!(said("url --url=http://a/\n", None).is_empty(), "nobody knows that there are packages");
    }
}
