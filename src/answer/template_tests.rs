use super::*;

fn variables(values: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::default();
    let mut machine = Variables::default();
    for (name, value) in values {
        variables.set(name, value);
        machine.set(name, value);
    }
    variables.set_all("machine", machine);
    variables
}

fn rendered(template: &str, values: &[(&str, &str)]) -> Result<String, TemplateError> {
    Template::parse(template.to_owned()).and_then(|template| template.render(variables(values)))
}

#[test]
fn machines_get_what_is_theirs() {
    let template = "network --hostname={{ name }}\n\
                    {% if role == 'db' %}\n\
                    part /data --size={{ machine.size }}\n\
                    {% endif %}\n\
                    %post\n\
                    {% for n in range(2) %}\n\
                    echo {{ n }} {{ note | sh }}\n\
                    {% endfor %}\n\
                    %end\n";
    assert_eq!(
        rendered(template, &[("name", "node01"), ("role", "db"), ("size", "100"), ("note", "it's $(date)")]),
        Ok("network --hostname=node01\npart /data --size=100\n%post\necho 0 'it'\"'\"'s $(date)'\n\
            echo 1 'it'\"'\"'s $(date)'\n%end\n"
            .into())
    );
}

#[test]
fn a_value_that_means_something_is_refused_until_it_is_said_where_it_stands() {
    for value in
        ["a; reboot", "$(reboot)", "`x`", "a b", "a#b", "'", "\"", "%end", "a|b", "x > /y", "-x", "a\\", "*"]
    {
        let error = rendered("rootpw {{ x }}\n", &[("x", value)]).expect_err(value);
        assert_eq!(error.line, Some(1), "{value}");
        let in_quotes = rendered("a\nrootpw \"{{ x }}\"\n", &[("x", value)]).expect_err(value);
        assert_eq!(in_quotes.line, Some(2), "{value}");
        assert!(rendered("echo {{ x | sh }}\n", &[("x", value)]).is_ok(), "{value}");
        assert_eq!(rendered("{{ x | safe }}", &[("x", value)]).as_deref(), Ok(value));
    }
    for value in ["a\nreboot", "a\r", "\u{2028}%post", "\0", "\u{1b}[2J"] {
        for filter in ["", "| ks", "| sh"] {
            assert!(rendered(&format!("x {{{{ x {filter} }}}}"), &[("x", value)]).is_err(), "{value:?}");
        }
    }
    assert!(rendered("user {{ x | ks }}", &[("x", "--lock")]).is_err(), "quotes make no value of an option");
    for value in ["node01", "192.168.100.7/24", "user@example.com", "sda,sdb", "Müller", "a=b+c:d"] {
        assert_eq!(rendered("{{ x }}", &[("x", value)]).as_deref(), Ok(value));
    }
}

#[test]
fn a_concatenation_is_looked_at_as_a_whole() {
    for template in
        ["{{ 'a' ~ x }}", "{% set y = x %}{{ y }}", "{{ [x] | join }}", "{{ x | upper }}", "{{ [x] }}"]
    {
        assert!(rendered(template, &[("x", "; reboot")]).is_err(), "{template}");
    }
}

#[test]
fn errors_name_line_and_reason() {
    for (template, line, what) in [
        ("a\n{{ missing }}\n", 2, "does not have"),
        ("a\n{{ machine.missing }}\n", 2, "does not have"),
        ("a\n{% if missing %}x{% endif %}\n", 2, "does not have"),
        ("a\n\n{% if %}\n", 3, "syntax"),
        ("a\n{% for x in y %}\n", 2, ""),
        ("{% include 'other' %}", 1, ""),
        ("a\n{{ x | nothing }}\n", 2, "filter"),
        ("a\n{{ 1 / 0 }}", 2, ""),
    ] {
        let error = rendered(template, &[("x", "1")]).expect_err(template);
        assert!(error.line.is_some_and(|at| at >= line), "{template}: {error:?}");
        assert!(error.what.contains(what), "{template}: {error:?}");
    }
}

#[test]
fn a_template_that_goes_on_and_on_is_stopped() {
    for template in [
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'x' * 100000000 }}",
        "{% set x = 'xxxxxxxxxxxxxxxx' %}{% for a in range(100000) %}{{ x * 1000 }}{% endfor %}",
        "{% for a in range(1000) recursive %}{{ loop(range(1000)) }}{% endfor %}",
    ] {
        assert!(rendered(template, &[]).is_err(), "{template}");
    }
}

#[test]
fn what_is_no_template_stays_as_it_is() {
    let text = "lang en_US\n# a { b } $x %y\n%post\necho '}' ${HOME}\n%end\n";
    assert_eq!(rendered(text, &[]).as_deref(), Ok(text));
}

/// Kickstarts are fetched from threads with a stack of 256 KiB.
#[test]
fn deep_templates_need_no_deep_stack() {
    let texts = [
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_owned(),
        "{% set n = namespace(x=1) %}{% for i in range(90000) %}{% set n.x = [n.x] %}{% endfor %}".to_owned(),
        format!("{{{{ {}1{} }}}}", "[".repeat(140), "]".repeat(140)),
        format!("{}x{}", "{% if 1 %}".repeat(2000), "{% endif %}".repeat(2000)),
    ];
    let fetch = std::thread::Builder::new().stack_size(256 << 10);
    let fetch = fetch.spawn(move || texts.map(|text| rendered(&text, &[]).is_err()));
    assert_eq!(fetch.expect("a thread").join().expect("no overflow"), [true; 4]);
}
