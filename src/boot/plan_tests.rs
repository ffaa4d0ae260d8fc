use super::*;
pub(crate) use crate::boot::site::tests::{image, kickstarts, site, site_of_two};
use crate::boot::site::{MenuWish, Packages};

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

/// The plan of a machine that is known.
pub(crate) fn plan_for(site: &Site, assignment: &Assignment) -> Plan {
    plan_with(site, assignment, &kickstarts(site, false))
}

fn plan_with(site: &Site, assignment: &Assignment, kickstarts: &[(ImageId, KickstartFacts)]) -> Plan {
    site.plan(Some(Asker { mac: MAC, token: "abc", kickstarts, assignment, loader: None, pick: None }))
}

fn linux<'a>(plan: &'a Plan, label: &str) -> &'a Linux {
    let entry = plan.entries.iter().find(|entry| entry.label == label);
    match entry.map(|entry| &entry.action) {
        Some(Action::Linux(linux)) => linux,
        other => panic!("{label}: {other:?} in {plan:#?}"),
    }
}

fn labels(plan: &Plan) -> String {
    let labels: Vec<&str> = plan.entries.iter().map(|entry| entry.label.as_str()).collect();
    labels.join(" ")
}

/// What starts by itself, after how many seconds.
fn starts(plan: &Plan) -> (String, Option<u64>) {
    let wait = match plan.wait {
        Wait::Not => Some(0),
        Wait::For(time) => Some(time.as_secs()),
        Wait::Forever => None,
    };
    (plan.default_entry().label.clone(), wait)
}

fn bound(image: &str, boot: Boot) -> Assignment {
    Assignment { image: Some(ImageId::new(image)), boot }
}

#[test]
fn a_machine_gets_its_own_kickstart() {
    let plan = plan_for(&site(80), &Assignment::default());
    let ks = linux(&plan, "ks");
    assert_eq!(ks.kernel, "t/el9/images/pxeboot/vmlinuz");
    assert_eq!(
        ks.arguments,
        [
            "inst.ks=http://192.168.100.1/ks/abc/ks.cfg",
            "inst.repo=http://192.168.100.1/t/el9",
            "ip=dhcp",
            "BOOTIF=01-52-54-00-00-00-01",
            "inst.ks.sendmac"
        ]
    );
    assert_eq!(labels(&plan), "ks linux text local");
    assert_eq!(starts(&plan), ("ks".into(), Some(3)));
    assert!(!plan.is_choice);
    // By hand means that nothing is answered.
    assert!(!linux(&plan, "linux").arguments.join(" ").contains("ks"), "{plan:#?}");
}

/// A kickstart that leaves all questions to the installer is no second way to install.
#[test]
fn an_installer_that_asks_reports_all_the_same() {
    let mut site = site(80);
    site.images[0].has_kickstart = false;
    let plan = plan_for(&site, &Assignment::default());
    assert_eq!(labels(&plan), "linux text local");
    assert_eq!(linux(&plan, "linux").arguments[0], "inst.ks=http://192.168.100.1/ks/abc/ks.cfg");
    assert!(!linux(&plan, "text").arguments.join(" ").contains("inst.ks="));
}

#[test]
fn a_stranger_gets_none() {
    let plan = site(8080).plan(None);
    assert_eq!(labels(&plan), "linux text local");
    assert_eq!(linux(&plan, "linux").arguments, ["inst.repo=http://192.168.100.1:8080/t/el9", "ip=dhcp"]);
    assert_eq!(starts(&plan), ("linux".into(), Some(3)));
}

#[test]
fn packages_come_from_where_they_are() {
    let with = |packages| {
        let mut site = site_of_two();
        site.images[0].packages = packages;
        linux(&plan_for(&site, &Assignment::default()), "el9").arguments[1..3].join(" ")
    };
    let stage2 = "inst.stage2=http://192.168.100.1/t/el9";
    assert_eq!(with(Packages::Own), "inst.repo=http://192.168.100.1/t/el9 ip=dhcp");
    assert_eq!(with(Packages::Unknown), format!("{stage2} ip=dhcp"));
    assert_eq!(
        with(Packages::Image(ImageId::new("el7"))),
        format!("{stage2} inst.repo=http://192.168.100.1/t/el7")
    );
    assert_eq!(with(Packages::Mirror("http://m/9".into())), format!("{stage2} inst.repo=http://m/9"));
}

#[test]
fn a_source_in_the_kickstart_is_not_overridden() {
    for packages in [Packages::Own, Packages::Mirror("http://m/9".into())] {
        let mut site = site(80);
        site.images[0].packages = packages;
        let plan = plan_with(&site, &Assignment::default(), &kickstarts(&site, true));
        assert_eq!(linux(&plan, "ks").arguments[1..3], ["inst.stage2=http://192.168.100.1/t/el9", "ip=dhcp"]);
    }
}

#[test]
fn a_machine_without_a_kickstart_of_its_own_is_asked() {
    let plan = plan_with(&site(80), &Assignment::default(), &[]);
    assert_eq!(plan.default_entry().label, "linux");
    assert!(linux(&plan, "linux").arguments.iter().all(|argument| !argument.starts_with("inst.ks")));
}

#[test]
fn the_serial_number_is_asked_for_where_it_is_a_key() {
    let facts = KickstartFacts { own_source: false, needs_serial: true };
    let plan = plan_with(&site(80), &Assignment::default(), &[(ImageId::new("el9"), facts)]);
    assert_eq!(linux(&plan, "ks").arguments.last().map(String::as_str), Some("inst.ks.sendsn"));
}

#[test]
fn with_several_images_a_machine_nobody_stands_at_boots_its_disk() {
    let site = site_of_two();
    let plan = plan_for(&site, &Assignment::default());
    assert_eq!(labels(&plan), "el9 el9-linux el9-text el7 el7-linux el7-text local");
    assert_eq!(starts(&plan), ("local".into(), Some(60)));
    assert!(plan.is_choice);
    let url = "inst.ks=http://192.168.100.1/ks/abc/el7/ks.cfg";
    assert_eq!(linux(&plan, "el7").arguments[0], url);
    assert_eq!(starts(&site.plan(None)), ("local".into(), Some(60)), "a stranger's too");
}

#[test]
fn what_a_machine_is_to_do_starts_by_itself() {
    let held = || Boot::Held { reason: "three installations failed".into() };
    let default = Assignment::default;
    let any = |boot| Assignment { image: None, boot };
    let (one, two) = (site(80), site_of_two());
    let cases = [
        (&two, bound("el7", Boot::Menu), "el7", Some(3)),
        (&two, bound("el7", Boot::Install), "el7", Some(3)),
        (&two, any(Boot::Install), "local", Some(60)),
        (&two, bound("el7", Boot::Local), "local", Some(3)),
        (&two, bound("el7", held()), "local", None),
        (&two, bound("gone", Boot::Menu), "local", Some(60)),
        (&one, any(Boot::Local), "local", Some(3)),
        (&one, any(held()), "local", None),
        (&one, bound("gone", Boot::Install), "ks", Some(3)),
        (&one, default(), "ks", Some(3)),
    ];
    for (site, assignment, label, seconds) in cases {
        let plan = plan_for(site, &assignment);
        assert_eq!(starts(&plan), (label.to_owned(), seconds), "{assignment:?}");
        assert_eq!(plan.message.is_some(), matches!(assignment.boot, Boot::Held { .. }));
    }
}

#[test]
fn what_the_user_wishes_of_the_menu() {
    let with = |site: Site, default: Option<&str>, wait| Site {
        wish: MenuWish { default: default.map(str::to_owned), wait },
        ..site
    };
    let seconds = |seconds| Some(Wait::For(Duration::from_secs(seconds)));
    for (site, assignment, expected) in [
        (with(site_of_two(), Some("el7"), seconds(9)), Assignment::default(), ("el7", Some(9))),
        (with(site_of_two(), Some("el7-text"), None), Assignment::default(), ("el7-text", Some(60))),
        (with(site_of_two(), None, Some(Wait::Forever)), Assignment::default(), ("local", None)),
        (with(site_of_two(), Some("el9"), seconds(9)), bound("el7", Boot::Menu), ("el7", Some(9))),
        (with(site_of_two(), Some("el7"), seconds(9)), bound("el9", Boot::Local), ("local", Some(3))),
        (with(site(80), Some("local"), Some(Wait::Not)), Assignment::default(), ("local", Some(0))),
        (with(site(80), Some("el9"), None), Assignment::default(), ("ks", Some(3))),
        (with(site(80), Some("linux"), None), Assignment::default(), ("linux", Some(3))),
    ] {
        let plan = plan_for(&site, &assignment);
        assert_eq!(starts(&plan), (expected.0.to_owned(), expected.1), "{:?} {assignment:?}", site.wish);
    }
    assert!(plan_for(&with(site(80), None, seconds(30)), &Assignment::default()).is_choice);
    let stranger = with(site_of_two(), Some("el7"), None).plan(None);
    assert_eq!(stranger.default_entry().label, "el7-linux", "without a kickstart");
    for label in ["el9", "el7-text", "local"] {
        assert_eq!(site_of_two().entry_label(label).as_deref(), Some(label));
    }
    for label in ["ks", "el9"] {
        assert_eq!(site(80).entry_label(label).as_deref(), Some("ks"));
    }
    assert_eq!(site(80).entry_label("el8"), None);
    assert_eq!(site(80).labels(), ["ks", "linux", "text", "local"]);
}

#[test]
fn a_kernel_of_another_vendor_may_need_its_own_loader() {
    let site = site_of_two();
    let (loader, assignment) = (ImageId::new("el7"), Assignment::default());
    let kickstarts = kickstarts(&site, false);
    let asker = Asker {
        mac: MAC,
        token: "abc",
        kickstarts: &kickstarts,
        assignment: &assignment,
        loader: Some(&loader),
        pick: None,
    };
    let plan = site.plan(Some(asker));
    assert_eq!(plan.grub_verb, GrubVerb::LinuxEfi, "that of the loader which asks");
    assert!(linux(&plan, "el9").has_own_loader && !linux(&plan, "el7").has_own_loader);
    // What somebody chose before the machine started again for it.
    let plan = site.plan(Some(Asker { pick: Some("el9-text"), ..asker }));
    assert_eq!(starts(&plan), ("el9-text".into(), Some(3)));
    assert!(!plan.is_choice);
    assert_eq!(site.image_of("el9-text").map(|image| image.id.as_str()), Some("el9"));
    assert_eq!(site.image_of("local").map(|image| image.id.as_str()), None);
}

#[test]
fn only_a_disk_that_was_named_is_erased_and_only_with_an_answer_file() {
    let coreos =
        crate::media::family::FAMILIES.iter().find(|family| family.id == "coreos").expect("a family");
    let with = |disk: Option<&str>| {
        let mut site = site(80);
        site.disk = disk.map(str::to_owned);
        site.images[0].title = "Fedora CoreOS 40 live".into();
        site.images[0].entries[0].arguments =
            coreos.arguments.replace("{stage2}", "images/pxeboot/rootfs.img");
        site
    };
    let words = |plan: &Plan, label| linux(plan, label).arguments.join(" ");
    let title = |plan: &Plan, label| {
        plan.entries.iter().find(|it| it.label == label).map(|it| it.title.clone()).unwrap_or_default()
    };

    let plan = plan_for(&with(Some("/dev/vda")), &Assignment::default());
    let told = words(&plan, "ks");
    assert!(told.contains("coreos.inst.install_dev=/dev/vda coreos.inst.ignition_url=http://"), "{told}");
    assert!(!told.contains("ignition.platform.id"), "{told}");
    assert_eq!(title(&plan, "ks"), "Install Fedora CoreOS 40 live on /dev/vda, which erases it");
    let by_hand = words(&plan, "linux");
    assert!(!by_hand.contains("coreos.inst.") && !title(&plan, "linux").contains("vda"), "{by_hand}");

    // Nobody named one; nobody gave an answer file.
    let told = words(&plan_for(&with(None), &Assignment::default()), "ks");
    assert!(!told.contains("coreos.inst.") && told.contains("ignition.config.url=http://"), "{told}");
    let plan = plan_with(&with(Some("/dev/vda")), &Assignment::default(), &[]);
    assert!(plan.entries.iter().all(|entry| !entry.title.contains("vda")), "{plan:#?}");
    assert!(!words(&plan, "linux").contains("coreos.inst."));
}

#[test]
fn no_label_is_typed_for_two_entries() {
    let mut site = site(80);
    let first = site.images[0].entries[0].clone();
    let of_ids = |ids: &[&str]| -> Vec<media::Entry> {
        ids.iter().map(|id| media::Entry { id: (*id).into(), ..first.clone() }).collect()
    };
    site.images[0].entries = of_ids(&["linux", "ks", "ks-2", "disk"]);
    assert_eq!(labels(&site.plan(None)), "linux ks-3 ks-2 disk-2 local");

    // The numbers that isolinux menus have for labels, and the number of a second image of one kind.
    site.images = vec![image("tools", "Tools"), image("tools-2", "Tools")];
    for image in &mut site.images {
        (image.entries, image.has_kickstart) = (of_ids(&["1", "2", "2-3"]), false);
    }
    assert_eq!(labels(&site.plan(None)), "tools tools.2 tools.2-3 tools-2 tools-2-2 tools-2-2-3 local");
    assert_eq!(site.image_of("tools.2").map(|image| image.id.as_str()), Some("tools"));
    assert_eq!(site.image_of("tools-2").map(|image| image.id.as_str()), Some("tools-2"));
}
