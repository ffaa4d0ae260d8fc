use super::*;

const MAC: MacAddr = MacAddr([0x52, 0x54, 0, 0, 0, 1]);

fn list(text: &str) -> MachineList {
    MachineList::parse(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn a_row_is_found_by_any_of_its_keys() {
    let list = list(
        "MAC;UUID;Serial Number;hostname;IP;Rack Unit\r\n\
         52-54-00-00-00-01;;;node01;192.168.100.20;U 7\r\n\
         ;04030201-0605-0807-090a-0b0c0d0e0f10;;node02;;\r\n\
         ;;ABC123;node03;;\r\n",
    );
    let of = |mac, uuid, serial| list.find(mac, uuid, serial).and_then(|row| row.name.clone());
    let other = MacAddr([0x52, 0x54, 0, 0, 0, 9]);
    let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    assert_eq!(of(MAC, None, None).as_deref(), Some("node01"));
    assert_eq!(of(other, Some(Uuid(bytes)), None).as_deref(), Some("node02"));
    let swapped = [4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16];
    assert_eq!(of(other, Some(Uuid(swapped)), None).as_deref(), Some("node02"), "as it was sent");
    assert_eq!(of(other, None, Some("abc123 ")).as_deref(), Some("node03"));
    assert_eq!(of(other, None, None), None);
    let row = list.find(MAC, None, None).expect("a row");
    assert_eq!((row.line, row.ip), (2, Some([192, 168, 100, 20].into())));
    assert_eq!(row.variables.get("rack_unit").map(String::as_str), Some("U 7"));
    assert_eq!(row.variables.get("serial").map(String::as_str), Some(""));
    assert!(list.needs_serials());
}

#[test]
fn what_is_wrong_is_said_by_line() {
    let cases = [
        ("name,ip\nx,10.0.0.1\n", 1, "mac, uuid or serial"),
        ("mac,name,Name\n", 1, "two columns"),
        ("mac,server\n", 1, "something else"),
        ("mac,1st\n", 1, "begins with a letter"),
        ("mac\n\n", 0, "no machine"),
        ("", 0, "empty"),
        ("mac,name\n52:54:00:00:00:01,a\n52:54:00:00:00:01,b\n", 3, "line 2 already"),
        ("mac,name\n52:54:00:00:00:01,a\n\n52:54:00:00:00:02,a\n", 4, "line 2 already"),
        ("mac,ip\n52:54:00:00:00:01,10.0.0.1\n52:54:00:00:00:02,10.0.0.1\n", 3, "line 2 already"),
        ("mac,name\nxyz,a\n", 2, "MAC address"),
        ("mac,name\n52:54:00:00:00:01,a; reboot\n", 2, "host name"),
        ("mac,ip\n52:54:00:00:00:01,10.0.0\n", 2, "not an address"),
        ("mac,name\n,a\n", 2, "which machine"),
        ("mac,name\n52:54:00:00:00:01,a,b\n", 2, "no name"),
        ("mac,x\n52:54:00:00:00:01,\"a\nrm -rf /\"\n", 2, "line break"),
        ("serial,ip\nA,10.0.0.1\n", 2, "ip needs"),
        ("serial,image\nA,el9\n", 2, "image needs"),
        ("mac,name\n52:54:00:00:00:01,\"a\n", 2, "not closed"),
    ];
    for (text, line, what) in cases {
        let errors = MachineList::parse(text.as_bytes()).expect_err(text);
        assert!(errors[0].line == line && errors[0].what.contains(what), "{text}: {errors:?}");
    }
}

#[test]
fn all_errors_are_told_up_to_a_limit() {
    let row = |number: u32| format!("bad{number},x\n");
    let text = |count| format!("mac,name\n{}", (0..count).map(row).collect::<String>());
    assert_eq!(MachineList::parse(text(3).as_bytes()).expect_err("bad").len(), 3);
    assert_eq!(MachineList::parse(text(1000).as_bytes()).expect_err("bad").len(), MAX_ERRORS);
}
