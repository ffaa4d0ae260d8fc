//! curl, wget, busybox's wget and Python's requests.

use std::fs;

use super::{FILES, KERNEL, PLUS, Served, TILDE, TREEINFO, files_below, text};

const BASE: &str = "http://192.168.100.1";

/// Fetches a URL into a file and fails when the server does.
const REQUESTS: &str = "
import requests, sys
answer = requests.get(sys.argv[1])
answer.raise_for_status()
open(sys.argv[2], 'wb').write(answer.content)
";

#[test]
fn w25_every_client_gets_the_bytes_that_are_on_the_image() {
    let served = Served::start_for_files("http");
    fs::write(served.path("fetch.py"), REQUESTS).unwrap();
    for path in FILES {
        for tree in ["", "/t/el9"] {
            let url = format!("{BASE}{tree}/{path}");
            served.fetches(path, &format!("curl --fail --silent --show-error -o OUT {url}"));
            served.fetches(path, &format!("wget --no-verbose -O OUT {url}"));
            served.fetches(path, &format!("busybox wget -q -O OUT {url}"));
            served.fetches(path, &format!("/usr/bin/python3 fetch.py {url} OUT"));
        }
    }
}

#[test]
fn w18_names_are_read_however_they_are_written() {
    let served = Served::start_for_files("http-names");
    let (plus, tilde) = (PLUS.replace('+', "%2B"), TILDE.replace('~', "%7e"));
    for (path, written) in [
        (PLUS, plus.as_str()),
        (PLUS, &plus.to_lowercase().replace("baseos/packages", "BaseOS/Packages")),
        (TILDE, &tilde),
        (TREEINFO, "%2Etreeinfo"),
        (KERNEL, "/images//pxeboot///vmlinuz"),
        (KERNEL, "/t/el9//images/pxeboot/vmlinuz"),
        (KERNEL, "images/./pxeboot/vmlinuz"),
        (KERNEL, "IMAGES/PXEBOOT/VMLINUZ"),
    ] {
        served.fetches(
            path,
            &format!("curl --fail --silent --show-error --path-as-is -o OUT {BASE}/{written}"),
        );
    }
    for outside in ["../etc/passwd", "images/../../etc/passwd", "%2e%2e/etc/passwd", "..%2fetc/passwd"] {
        let url = format!("{BASE}/{outside}");
        let output = served.client(&format!("curl --silent --path-as-is -w %{{http_code}} -o OUT {url}"));
        assert!(text(&output).starts_with('4'), "{url}: {}", text(&output));
        assert!(!String::from_utf8_lossy(&served.got()).contains("root:"), "{url}");
    }
}

#[test]
fn parts_and_heads_are_those_of_the_file() {
    let served = Served::start_for_files("http-parts");
    let (url, original) = (format!("{BASE}/{KERNEL}"), served.original(KERNEL));
    let length = original.len();
    for (range, part) in [
        ("0-0", 0..1),
        ("100-199", 100..200),
        ("4096-", 4096..length),
        ("-100", length - 100..length),
        ("0-99999999999", 0..length),
    ] {
        let output =
            served.client(&format!("curl --silent --fail --range {range} -w %{{http_code}} -o OUT {url}"));
        assert_eq!(text(&output), "206", "{range}");
        assert!(served.got() == original[part], "{range}");
    }
    for go_on in [
        "curl --silent --show-error --fail -C - -o OUT",
        "wget --no-verbose -c -O OUT",
        "busybox wget -q -c -O OUT",
    ] {
        fs::write(served.path("out"), &original[..1_000_001]).unwrap();
        let output = served.client_again(&format!("{go_on} {url}"));
        assert!(output.status.success() && served.got() == original, "{go_on}: {}", text(&output));
    }
    let head = text(&served.client(&format!("curl --silent --fail --head {url}")));
    assert!(head.contains(&format!("\r\nContent-Length: {length}\r\n")), "{head}");
    let output = served.client(&format!("wget --spider --server-response {url}"));
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_is_missing_is_told_at_once() {
    let served = Served::start_for_files("http-missing");
    for path in
        ["images/updates.img", "nowhere/", "BaseOS/Packages/libstdc++.rpm", "images/pxeboot/vmlinuz/x"]
    {
        let url = format!("{BASE}/{path}");
        let output = served.client(&format!("curl --silent -w %{{http_code}} -o OUT {url}"));
        assert_eq!(text(&output), "404", "{url}");
        // 8: the server said no.
        let output = served.client(&format!("wget --tries=1 -O OUT {url}"));
        assert_eq!(output.status.code(), Some(8), "{url}: {}", text(&output));
        let output = served.client(&format!("busybox wget -O OUT {url}"));
        assert!(text(&output).contains(" 404 "), "{url}: {}", text(&output));
    }
}

/// What dnf and anaconda never do and people often do: walk the listings.
#[test]
fn a_mirror_has_every_file() {
    let served = Served::start_for_files("http-mirror");
    let mirror = served.path("mirror");
    for folder in ["BaseOS", "AppStream", "EFI"] {
        let to = mirror.to_str().unwrap();
        let url = format!("{BASE}/t/el9/{folder}/");
        let output = served.client(&format!("wget -r -np -nH --cut-dirs=2 --no-verbose -P {to} {url}"));
        assert!(output.status.success(), "{}", text(&output));
    }
    // wget keeps the listings too.
    let mut found = files_below(&mirror);
    found.retain(|path| !path.ends_with("index.html"));
    let mut expected = files_below(&served.path("tree"));
    expected.retain(|path| ["BaseOS/", "AppStream/", "EFI/"].iter().any(|folder| path.starts_with(folder)));
    // The configuration of the image itself is not served.
    let own = |path: &String| path.ends_with("grub.cfg");
    found.retain(|path| !own(path));
    expected.retain(|path| !own(path));
    assert_eq!(found, expected);
    for path in expected {
        assert!(fs::read(mirror.join(&path)).unwrap() == served.original(&path), "{path}");
    }
}

#[test]
fn w24_ten_connections_at_once_get_everything() {
    let served = Served::start_for_files("http-parallel");
    let all = files_below(&served.path("tree"));
    let files: Vec<_> = all.iter().filter(|path| !path.ends_with(".cfg")).collect();
    let list: String = files
        .iter()
        .map(|path| format!("url = \"{BASE}/t/el9/{path}\"\noutput = \"parallel/{path}\"\n"))
        .collect();
    fs::write(served.path("list"), list).unwrap();
    let output = served.client("curl --fail --silent --show-error --parallel --parallel-immediate --parallel-max 10 --create-dirs -K list");
    assert!(output.status.success(), "{}", text(&output));
    assert!(files.len() > 20);
    for path in files {
        assert!(fs::read(served.path("parallel").join(path)).unwrap() == served.original(path), "{path}");
    }
}
