//! Real HTTP clients against the real server over a cable: whatever they fetch is byte for byte what is on the image.
//! Needs root, and what `demo/setup.sh test` installs.
#![allow(clippy::disallowed_methods)]

#[path = "common/lab.rs"]
mod lab;
#[path = "common/netns.rs"]
mod netns;
#[path = "common/wire.rs"]
mod wire;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Pxego, image, scratch};
use netns::{Bench, run};

/// Where our files are on the image, and its URL.
const FOLDER: &str = "extra";
const URL: &str = "http://192.168.100.1/extra";

/// Names that clients spell in more than one way.
const ODD_NAMES: [&str; 10] = [
    "libstdc++-11.3~rc1.rpm",
    "gcc_4%3a12.2_all.deb",
    "a b.txt",
    "caf\u{e9}.txt",
    "[x]{y}.txt",
    "a&b=c;d.txt",
    "100%.txt",
    "#hash?.txt",
    "UPPER.Txt",
    "back\\slash.txt",
];

/// pxego with an image that has our files too, and a cable to a client.
struct World {
    folder: PathBuf,
    bench: Bench,
    pxego: Option<Pxego>,
}

impl World {
    fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// The same, with what `more` puts into the folder of our files.
    fn with(name: &str, more: impl FnOnce(&Path)) -> Self {
        let folder = scratch(&format!("http-{name}"));
        let files = folder.join("files");
        make_files(&files);
        more(&files);
        let iso = folder.join("image.iso");
        run(Command::new("xorriso")
            .args(["-indev", image("el9").to_str().unwrap(), "-outdev"])
            .arg(&iso)
            .arg("-map")
            .arg(&files)
            .arg(format!("/{FOLDER}"))
            .arg("-commit"));
        let bench = Bench::new();
        bench.client.ip("address add 192.168.100.2/24 dev eth0");
        let state = folder.join("state");
        let arguments = ["--iso", iso.to_str().unwrap(), "--state", state.to_str().unwrap()];
        let pxego = Pxego::start(&bench.server, &arguments);
        fs::create_dir(folder.join("got")).unwrap();
        Self { folder, bench, pxego: Some(pxego) }
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn got(&self) -> PathBuf {
        self.folder.join("got")
    }

    /// Runs a client in its namespace, in the directory for what it fetches. What it prints.
    fn client(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.bench.client.command(program);
        let output = run(command.args(arguments).current_dir(self.got()).env("HOME", &self.folder));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Fetches every odd name and the large file with `fetch`, which gets a URL and the file to write.
    fn fetch_all(&self, mut fetch: impl FnMut(&Self, &str, &str)) {
        for name in ODD_NAMES.iter().chain(&["large.img", "empty"]) {
            fetch(self, &format!("{URL}/{}", encode(name)), "one");
            self.is_same("one", name);
            fs::remove_file(self.got().join("one")).unwrap();
        }
    }

    fn is_same(&self, got: &str, name: &str) {
        let (one, other) =
            (fs::read(self.got().join(got)).unwrap(), fs::read(self.files().join(name)).unwrap());
        assert!(one == other, "{name}: {} bytes instead of {}", one.len(), other.len());
    }

    /// Everything is there, and nothing else but a mirror's own pages.
    fn is_mirrored(&self, folder: &Path) {
        run(Command::new("diff").args(["-r", "--exclude=index.html*"]).arg(self.files()).arg(folder));
    }

    fn end(mut self) {
        self.pxego.take().unwrap().stop();
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn make_files(folder: &Path) {
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    for name in ODD_NAMES {
        fs::write(folder.join(name), name.repeat(100)).unwrap();
    }
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("deep/er/file"), "deep").unwrap();
    fs::write(folder.join("large.img"), (0..9_000_001_u32).map(|at| (at % 251) as u8).collect::<Vec<u8>>())
        .unwrap();
    for number in 0..60 {
        fs::write(folder.join(format!("deep/{number}.txt")), vec![b'x'; number * 1000]).unwrap();
    }
}

/// As in a URL, everything but what never needs it (RFC 3986 §2.3).
fn encode(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'.' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    name.bytes().map(one).collect()
}

#[test]
fn w25_w16_w19_w20_curl_fetches_and_resumes() {
    let world = World::new("curl");
    world.fetch_all(|world, url, file| {
        world.client("curl", &["--fail", "--silent", "--show-error", "--globoff", "-o", file, url]);
    });
    // Half of it is there: -C - asks for the rest only.
    let whole = fs::read(world.files().join("large.img")).unwrap();
    fs::write(world.got().join("part"), &whole[..4_000_000]).unwrap();
    let url = format!("{URL}/large.img");
    let resume = ["--fail", "--silent", "-C", "-", "-o", "part", "-w", "%{size_download}", &url];
    assert_eq!(world.client("curl", &resume), "5000001");
    world.is_same("part", "large.img");
    // Literal plus and tilde, upper and lower case, doubled slashes, HTTP/1.0, a proxy's form, another name for us.
    let names = [
        ("libstdc++-11.3~rc1.rpm", "libstdc++-11.3~rc1.rpm"),
        ("/libstdc%2b%2b-11.3%7erc1.rpm", "libstdc++-11.3~rc1.rpm"),
        ("gcc_4:12.2_all.deb", "gcc_4%3a12.2_all.deb"),
        ("upper.tXT", "UPPER.Txt"),
    ];
    for (spelled, name) in names {
        for options in [
            &["--http1.0"][..],
            &["--http1.1"],
            &["--proxy", "http://192.168.100.1:80"],
            &["-H", "Host: pxego"],
        ] {
            let url = format!("{URL}/{spelled}");
            let rest = ["--fail", "--silent", "--show-error", "-o", "one", url.as_str()];
            world.client("curl", &[options, &rest].concat());
            world.is_same("one", name);
        }
    }
    // What has not changed is not sent again; a page has a time that stays.
    let url = format!("{URL}/large.img");
    world.client("curl", &["--fail", "--silent", "--etag-save", "tag", "-R", "-o", "again", &url]);
    let code = ["--silent", "-o", "none", "-w", "%{http_code}"];
    assert_eq!(world.client("curl", &[&code[..], &["--etag-compare", "tag", &url]].concat()), "304");
    assert_eq!(world.client("curl", &[&code[..], &["-z", "again", &url]].concat()), "304");
    assert_eq!(world.client("curl", &[&code[..], &[&format!("{URL}/nothing")]].concat()), "404");
    world.end();
}

#[test]
fn w25_wget_fetches_resumes_and_mirrors() {
    let world = World::new("wget");
    world.fetch_all(|world, url, file| {
        world.client("wget", &["-q", "-O", file, url]);
    });
    let whole = fs::read(world.files().join("large.img")).unwrap();
    fs::write(world.got().join("large.img"), &whole[..4_000_000]).unwrap();
    world.client("wget", &["-q", "-c", &format!("{URL}/large.img")]);
    world.is_same("large.img", "large.img");
    fs::remove_file(world.got().join("large.img")).unwrap();
    world.client(
        "wget",
        &["-q", "-r", "-np", "-nH", "--restrict-file-names=unix,nocontrol", &format!("{URL}/")],
    );
    // It decodes the names in its pages twice, for the file that it writes too.
    let mirror = world.got().join(FOLDER);
    fs::rename(mirror.join("gcc_4:12.2_all.deb"), mirror.join("gcc_4%3a12.2_all.deb")).unwrap();
    world.is_mirrored(&mirror);
    // Nothing is fetched twice.
    let before = fs::metadata(world.got().join(FOLDER).join("large.img")).unwrap().modified().unwrap();
    world.client("wget", &["-q", "-N", "-P", FOLDER, &format!("{URL}/large.img")]);
    let after = fs::metadata(world.got().join(FOLDER).join("large.img")).unwrap().modified().unwrap();
    assert_eq!(before, after);
    world.end();
}

#[test]
fn w25_busybox_wget_fetches_and_resumes() {
    let world = World::new("busybox");
    world.fetch_all(|world, url, file| {
        world.client("busybox", &["wget", "-q", "-O", file, url]);
    });
    let whole = fs::read(world.files().join("large.img")).unwrap();
    fs::write(world.got().join("part"), &whole[..4_000_000]).unwrap();
    world.client("busybox", &["wget", "-q", "-c", "-O", "part", &format!("{URL}/large.img")]);
    world.is_same("part", "large.img");
    world.end();
}

#[test]
fn lftp_mirrors() {
    let world = World::new("lftp");
    let commands = format!("set net:max-retries 1; mirror --parallel=4 {URL}/ mirror");
    world.client("lftp", &["-c", &commands]);
    world.is_mirrored(&world.got().join("mirror"));
    world.end();
}

/// Fetches the URLs given with urllib, or with requests over one connection, into `0`, `1`, …
const PYTHON: &str = "
import sys, urllib.request
library, *urls = sys.argv[1:]
if library == 'requests':
    import requests
    session = requests.Session()
    get = lambda url: session.get(url, timeout=20)
    read = lambda answer: (answer.raise_for_status(), answer.content)[1]
else:
    get = lambda url: urllib.request.urlopen(url, timeout=20)
    read = lambda answer: answer.read()
for number, url in enumerate(urls):
    open(str(number), 'wb').write(read(get(url)))
";

#[test]
fn w25_python_fetches_with_both_its_libraries() {
    let world = World::new("python");
    let urls: Vec<String> = ODD_NAMES.iter().map(|name| format!("{URL}/{}", encode(name))).collect();
    for library in ["urllib", "requests"] {
        let mut arguments = vec!["-c", PYTHON, library];
        arguments.extend(urls.iter().map(String::as_str));
        // Debian's own, whatever else is installed.
        world.client("/usr/bin/python3", &arguments);
        for (number, name) in ODD_NAMES.iter().enumerate() {
            world.is_same(&number.to_string(), name);
        }
    }
    world.end();
}

#[test]
fn w24_dnf_installs_from_the_image() {
    let world = World::new("dnf");
    let root = world.folder.join("root");
    let root = root.to_str().unwrap();
    let (base, apps) = (
        "--repofrompath=base,http://192.168.100.1/t/el9/BaseOS",
        "--repofrompath=apps,http://192.168.100.1/t/el9/AppStream",
    );
    let options = ["-y", "-q", "--installroot", root, "--releasever=9", "--nogpgcheck", "--forcearch=x86_64"];
    let options =
        [&options[..], &["--setopt=reposdir=/nowhere", base, apps, "--repo=base", "--repo=apps"]].concat();
    let wanted =
        ["install", "--downloadonly", "--setopt=keepcache=1", "libstdc++", "setup", "perl-Module-Install*"];
    world.client("dnf", &[&options[..], &wanted].concat());
    let found = run(Command::new("find").args([root, "-name", "*.rpm"]));
    let found = String::from_utf8(found.stdout).unwrap();
    for name in ["libstdc++-11.3.1-4.3.el9.x86_64.rpm", "perl-Module-Install-AutomatedTester", "setup-2.8.71"]
    {
        assert!(found.contains(name), "{found}");
    }
    world.end();
}

/// A flat repository of packages without content, whose names have an epoch, a plus and a tilde.
fn make_packages(folder: &Path) {
    let mut index = String::new();
    for number in 0..25 {
        let (name, version) = (format!("lab{number}++"), "4:1.0~rc1+b2");
        let tree = folder.join("tree");
        fs::create_dir_all(tree.join("DEBIAN")).unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: nothing\n"
        );
        fs::write(tree.join("DEBIAN/control"), &control).unwrap();
        let file = format!("{name}_4%3a1.0~rc1+b2_all.deb");
        let path = folder.join(&file);
        run(Command::new("dpkg-deb").args(["--root-owner-group", "-b"]).arg(&tree).arg(&path));
        fs::remove_dir_all(&tree).unwrap();
        let sum = run(Command::new("sha256sum").arg(&path));
        let sum = String::from_utf8(sum.stdout).unwrap();
        let sum = sum.split(' ').next().unwrap().trim_start_matches('\\').to_owned();
        let len = fs::metadata(&path).unwrap().len();
        index += &format!("{control}Filename: ./{file}\nSize: {len}\nSHA256: {sum}\n\n");
    }
    fs::write(folder.join("Packages"), index).unwrap();
}

#[test]
fn w14_apt_pipelines() {
    let folder = scratch("http-apt-packages");
    make_packages(&folder);
    let world = World::with("apt", |files| {
        run(Command::new("cp").arg("-r").arg(&folder).arg(files.join("deb")));
    });
    let root = world.folder.join("apt");
    for part in ["lists/partial", "archives/partial", "etc"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    fs::write(root.join("etc/sources.list"), format!("deb [trusted=yes] {URL}/deb ./\n")).unwrap();
    let root = root.to_str().unwrap();
    let options: Vec<String> = [
        format!("Dir::Etc={root}/etc"),
        format!("Dir::State={root}"),
        format!("Dir::State::Lists={root}/lists"),
        format!("Dir::State::Status={root}/status"),
        format!("Dir::Cache={root}"),
        format!("Dir::Cache::Archives={root}/archives"),
        "APT::Sandbox::User=root".into(),
        "Acquire::http::Pipeline-Depth=10".into(),
        "Acquire::Languages=none".into(),
        "Acquire::http::Proxy=false".into(),
    ]
    .into_iter()
    .flat_map(|option| ["-o".to_owned(), option])
    .collect();
    fs::write(Path::new(root).join("status"), "").unwrap();
    let apt = |arguments: &[&str]| {
        let options: Vec<&str> =
            options.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        world.client("apt-get", &options)
    };
    // Twice: the second time most is "not modified".
    apt(&["update", "-q"]);
    apt(&["update", "-q"]);
    let names: Vec<String> = (0..25).map(|number| format!("lab{number}++")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    apt(&[&["download", "-q"], names.as_slice()].concat());
    let got = fs::read_dir(world.got()).unwrap().count();
    assert_eq!(got, 25);
    for entry in fs::read_dir(world.got()).unwrap() {
        let path = entry.unwrap().path();
        let same = folder.join(path.file_name().unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(same).unwrap(), "{}", path.display());
    }
    fs::remove_dir_all(&folder).unwrap();
    world.end();
}

/// What cloud-init reads of `ds=nocloud-net;s=URL/`, as it does (`cloudinit/util.py`, `read_seeded`): each with a connection
/// of its own, and two of the four need not be there.
const CLOUD_INIT: &str = "
import requests, sys
for name in ['meta-data', 'user-data', 'vendor-data', 'network-config']:
    with requests.Session() as session:
        answer = session.get(sys.argv[1] + name, headers={'User-Agent': 'Cloud-Init/24.4'}, allow_redirects=True, timeout=30)
        print(name, answer.status_code, len(answer.history), answer.headers['Content-Length'] == str(len(answer.content)))
        if answer.ok:
            open(name, 'wb').write(answer.content)
";

#[test]
fn w33_cloud_init_reads_its_seed() {
    let world = World::with("cloud-init", |files| {
        fs::create_dir(files.join("seed")).unwrap();
        fs::write(files.join("seed/meta-data"), "instance-id: lab\n").unwrap();
        fs::write(files.join("seed/user-data"), "#cloud-config\nhostname: lab\n").unwrap();
    });
    let said = world.client("/usr/bin/python3", &["-c", CLOUD_INIT, &format!("{URL}/seed/")]);
    let expected = [
        "meta-data 200 0 True",
        "user-data 200 0 True",
        "vendor-data 404 0 True",
        "network-config 404 0 True",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    for name in ["meta-data", "user-data"] {
        world.is_same(name, &format!("seed/{name}"));
    }
    world.end();
}
