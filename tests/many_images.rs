//! Several images at once: a folder, the discs of a set, an installer whose packages are on another image, folders laid
//! over images. Needs root, and what `demo/setup.sh test` installs.
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

use lab::{Pxego, scratch};
use netns::{Bench, run};

/// Makes an image of files that hold these texts; `*` stands for its name.
fn image(folder: &Path, name: &str, volume: &str, files: &[(&str, &str)]) -> PathBuf {
    let (tree, out) = (folder.join("tree"), folder.join(format!("{name}.iso")));
    for (path, text) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace('*', name)).unwrap();
    }
    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-as", "mkisofs", "-quiet", "-R", "-V", volume, "-o", out.to_str().unwrap()]);
    run(xorriso.arg(&tree));
    fs::remove_dir_all(tree).unwrap();
    out
}

/// What every installer has. Its kernel is never started.
const INSTALLER: [(&str, &str); 3] = [
    ("images/pxeboot/vmlinuz", "kernel of *"),
    ("images/pxeboot/initrd.img", "initrd of *"),
    ("images/install.img", "stage2 of *"),
];

fn with_installer<'a>(files: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    INSTALLER.iter().chain(files).copied().collect()
}

/// The two discs of CentOS 6, Rocky 9 as a DVD and as an installer without packages, and something else.
fn stick(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let treeinfo = "[general]\nfamily = CentOS\nversion = 6.10\narch = x86_64\npackagedir =\n";
    let dvd1 = with_installer(&[
        (".treeinfo", treeinfo),
        (".discinfo", "1530286202.1\n6.10\nx86_64\n1\n"),
        ("repodata/repomd.xml", "<repomd/>"),
        ("Packages/centos-release-6-10.el6.centos.12.3.x86_64.rpm", "*"),
        ("Packages/both.rpm", "*"),
    ]);
    image(folder, "CentOS-6.10-x86_64-bin-DVD1", "CentOS_6.10_Final", &dvd1);
    let dvd2 = [
        (".discinfo", "1530286202.1\n6.10\nx86_64\n2\n"),
        ("Packages/both.rpm", "*"),
        ("Packages/only-here.rpm", "*"),
    ];
    image(folder, "CentOS-6.10-x86_64-bin-DVD2", "CentOS_6.10_Final", &dvd2);
    let release = ("BaseOS/Packages/rocky-release-9.6-1.3.el9.noarch.rpm", "*");
    let treeinfo = "[general]\nfamily = Rocky Linux\nversion = 9.6\narch = x86_64\n";
    let dvd = with_installer(&[
        (".treeinfo", treeinfo),
        ("BaseOS/repodata/repomd.xml", "<repomd/>"),
        ("AppStream/repodata/repomd.xml", "<repomd/>"),
        release,
    ]);
    image(folder, "Rocky-9.6-x86_64-dvd", "Rocky-9-6-x86_64-dvd", &dvd);
    let netinst = with_installer(&[(".discinfo", "1748000000.1\n9.6\nx86_64\n")]);
    image(folder, "Rocky-9.6-x86_64-boot", "Rocky-9-6-x86_64-dvd", &netinst);
    fs::write(folder.join("notes.iso"), "not an image\n".repeat(10_000)).unwrap();
    fs::write(folder.join("ks.cfg"), "lang en_US\n").unwrap();
}

/// What stands at a name: the text, or the status where that is none.
fn get(bench: &Bench, name: &str) -> Result<String, u16> {
    let url = format!("http://192.168.100.1/{name}");
    let mut curl = bench.client.command("curl");
    let output =
        run(curl.args(["--silent", "--show-error", "--max-time", "60", "-w", "\n%{http_code}", &url]));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    match status.parse().unwrap() {
        200 => Ok(body.to_owned()),
        status => Err(status),
    }
}

#[test]
fn a_folder_of_images_is_served() {
    let scratch = scratch("many_images");
    let (folder, overlay) = (scratch.join("stick"), scratch.join("over"));
    stick(&folder);
    fs::create_dir_all(overlay.join("images")).unwrap();
    fs::write(overlay.join("images/updates.img"), "first").unwrap();
    fs::write(scratch.join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", overlay.join("link")).unwrap();

    let bench = Bench::new();
    let (state, over) = (scratch.join("state"), format!("el6={}", overlay.display()));
    let ks = folder.join("ks.cfg");
    let shown = [&folder, &ks, &state].map(|path| path.to_string_lossy().into_owned());
    let [folder, ks, state] = shown.each_ref().map(String::as_str);
    let arguments = ["--iso", folder, "--ks", ks, "--overlay", &over, "--state", state];
    let pxego = Pxego::start(&bench.server, &arguments);
    bench.client.ip("address add 192.168.100.9/24 dev eth0");
    let get = |name: &str| get(&bench, name);
    let text = |name: &str| get(name).unwrap_or_else(|status| panic!("{name}: {status}"));

    // Sorted by their names; the installer without packages comes before the DVD.
    let ids: Vec<(&str, &str)> = pxego
        .events()
        .iter()
        .filter(|event| event["event"] == "image")
        .map(|event| {
            (event["id"].as_str().unwrap(), event["file"].as_str().unwrap().rsplit('/').next().unwrap())
        })
        .collect();
    let expected = [
        ("el6", "CentOS-6.10-x86_64-bin-DVD1.iso"),
        ("el9", "Rocky-9.6-x86_64-boot.iso"),
        ("el9-2", "Rocky-9.6-x86_64-dvd.iso"),
    ];
    assert_eq!(ids, expected);
    let warnings: Vec<&str> = pxego
        .events()
        .iter()
        .filter(|it| it["event"] == "warning")
        .filter_map(|it| it["text"].as_str())
        .collect();
    let left_out: Vec<&&str> = warnings.iter().filter(|text| text.starts_with("left out: ")).collect();
    assert!(
        left_out.len() == 1 && left_out[0].contains("notes.iso is not an install image"),
        "{warnings:#?}"
    );

    // The discs of a set are one: the first wins, and lists show both.
    assert_eq!(text("t/el6/Packages/both.rpm"), "CentOS-6.10-x86_64-bin-DVD1");
    assert_eq!(text("t/el6/Packages/only-here.rpm"), "CentOS-6.10-x86_64-bin-DVD2");
    assert!(text("t/el6/.discinfo").ends_with("\n1\n"));
    let list = text("t/el6/Packages/");
    assert!(list.contains(">only-here.rpm<") && list.matches(">both.rpm<").count() == 1, "{list}");

    // Only what is there is there.
    assert_eq!(text("t/el9-2/images/install.img"), "stage2 of Rocky-9.6-x86_64-dvd");
    let root = text("");
    assert!(root.contains("href=\"/t/\"") && !root.contains("images"), "{root}");
    for name in
        ["images/install.img", "t/el8/.treeinfo", "t/el9/images/updates.img", "t/el6/images/product.img"]
    {
        assert_eq!(get(name), Err(404), "{name}");
    }

    // The installer of one image, the packages of the other.
    let menu = text("boot.ipxe");
    let (from, to) = ("inst.stage2=http://192.168.100.1/t/el9 ", "inst.repo=http://192.168.100.1/t/el9-2 ");
    let kernel = menu.lines().find(|line| line.contains("/t/el9/images/pxeboot/vmlinuz")).unwrap();
    assert!(kernel.contains(from) && kernel.contains(to), "{kernel}");
    let kernel = menu.lines().find(|line| line.contains("/t/el9-2/images/pxeboot/vmlinuz")).unwrap();
    assert!(kernel.contains(to) && !kernel.contains("inst.stage2"), "{kernel}");

    // What lies over an image is that of now, and nothing outside of it.
    assert_eq!(text("t/el6/images/updates.img"), "first");
    fs::write(overlay.join("images/updates.img"), "second, and longer").unwrap();
    assert_eq!(text("t/el6/images/updates.img"), "second, and longer");
    fs::remove_file(overlay.join("images/updates.img")).unwrap();
    assert_eq!(get("t/el6/images/updates.img"), Err(404));
    for name in ["t/el6/link", "t/el6/%2e%2e/secret"] {
        assert_eq!(get(name), Err(404), "{name}");
    }
    assert_eq!(text("t/el6/images/install.img"), "stage2 of CentOS-6.10-x86_64-bin-DVD1");
    pxego.stop();
    fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn packages_come_from_a_mirror_where_no_image_has_them() {
    let scratch = scratch("mirror");
    let files = with_installer(&[(".discinfo", "1748000000.1\n9.6\nx86_64\n")]);
    let netinst = image(&scratch, "boot", "Rocky-9-6-x86_64-dvd", &files);
    let bench = Bench::new();
    let (state, netinst) = (scratch.join("state"), netinst.to_string_lossy().into_owned());
    let mirror = "http://mirror.example.org/9/BaseOS/x86_64/os/";
    let arguments = ["--iso", &netinst, "--mirror", mirror, "--state", &state.to_string_lossy()];
    let pxego = Pxego::start(&bench.server, &arguments);
    bench.client.ip("address add 192.168.100.9/24 dev eth0");
    let menu = get(&bench, "boot.ipxe").unwrap();
    let expected =
        "inst.stage2=http://192.168.100.1/t/el9 inst.repo=http://mirror.example.org/9/BaseOS/x86_64/os ";
    assert!(menu.contains(expected), "{menu}");
    // With one image its files are at the root too.
    assert_eq!(get(&bench, "images/install.img").as_deref(), Ok("stage2 of boot"));
    pxego.stop();

    for (wish, named) in [
        (vec!["--default", "el8"], "el9, linux, local"),
        (vec!["--overlay", "el8=/tmp"], "no image is called el8. There are: el9"),
        (vec!["--overlay", "/no/such/folder"], "with \"ls -l /\""),
        (vec!["--iso", "/no/such/file.iso"], "with \"ls -l /\""),
    ] {
        let mut command = bench.server.command(env!("CARGO_BIN_EXE_pxego"));
        command.args(["--iface", "eth0", "--iso", &netinst, "--state", &state.to_string_lossy()]);
        let output = command.args(&wish).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(named), "{wish:?}: {said}");
    }
    fs::remove_dir_all(scratch).unwrap();
}
