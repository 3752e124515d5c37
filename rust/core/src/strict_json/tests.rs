//! Tests of the parser and its views.

use super::*;
use crate::strict_json::scanner::{FEW, key};

fn loads(data: &[u8], brackets: usize) -> Result<(&str, Vec<Node>), JsonError> {
    index(data, brackets, MAX_DEPTH)
}

#[test]
fn rejects_texts_with_more_than_one_reading() {
    for bad in [
        &br#"{"a":1,"a":2}"#[..],
        br#"{"a":{"b":1,"\u0062":2}}"#,
        br#"[{"a":1,"a":2}]"#,
        br#""\ud800""#,
        br#""\ud800\n""#,
        br#""\ud800\u0041""#,
        br#""\ud800\ud800\udc00""#,
        br#"{"\udc00":1}"#,
        br#""\u00g0""#,
        br#""\u+123""#,
        br#""\u12"#,
        br#""\x""#,
        "\"\\\u{e9}\"".as_bytes(),
        b"\"a",
        b"\"\\",
        b"NaN",
        b"-Infinity",
        b"nul",
        b"01",
        b"-",
        b"1.",
        b".5",
        b"1e",
        b"+1",
        b"\"\xff\"",
        b"\"\x01\"",
        b"{} {}",
        b"{,}",
        b"{\"a\":1,}",
        b"{\"a\" 1}",
        b"{1:1}",
        b"[1,]",
        b"[1 2]",
        b"[",
        b"",
        b"\xef\xbb\xbf{}",
        b"\x0c1",
    ] {
        assert!(loads(bad, 64).is_err(), "{}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn reads_strings_with_and_without_escapes() -> Result<(), JsonError> {
    for (text, wanted) in [
        (r#""""#, ""),
        (r#" "a b" "#, "a b"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\uD83D\ude00x""#, "A\u{e9}\u{1f600}x"),
        ("\"\u{7f}\u{e9}\\n\u{e9}\"", "\u{7f}\u{e9}\n\u{e9}"),
    ] {
        let (text, nodes) = loads(text.as_bytes(), 0)?;
        assert_eq!(View::root(text, &nodes).string().as_deref(), Some(wanted));
    }
    Ok(())
}

#[test]
fn accepts_numbers_of_any_size() {
    for good in [
        &b"1e999"[..],
        b"[-0.1E-99999, 0e+1]",
        b"{\"a\":123456789012345678901234567890}",
        b"[null , true,false,{ } ,[\t]]",
    ] {
        assert!(loads(good, 64).is_ok(), "{}", String::from_utf8_lossy(good));
    }
}

#[test]
fn limits_brackets_before_parsing() {
    assert!(loads(b"[[[]]]", 3).is_ok());
    assert!(loads(b"[[[[]]]]", 3).is_err());
    let deep = |levels| [b"[".repeat(levels), b"]".repeat(levels)].concat();
    assert!(loads(&deep(MAX_DEPTH + 1), usize::MAX).is_ok());
    assert!(loads(&deep(MAX_DEPTH + 2), usize::MAX).is_err());
}

#[test]
fn finds_two_equal_names_among_many() {
    let long = |number| format!("\"a name with {number} in the middle of it\":0");
    let short = |number| format!("\"{number}\":0");
    // These names have the same key although they differ.
    let alike = |number| format!("\"12345678 {number:03} 12345678\":0");
    let escaped = |number| format!("\"\\u0061{number}\":0");
    for name in [&long as &dyn Fn(usize) -> String, &short, &alike, &escaped] {
        for count in [2, FEW, FEW + 1, 100] {
            let mut names: Vec<String> = (0..count).map(name).collect();
            assert!(loads(format!("{{{}}}", names.join(",")).as_bytes(), 1).is_ok());
            names.push(name(count / 2));
            assert!(loads(format!("{{{}}}", names.join(",")).as_bytes(), 1).is_err());
        }
    }
    assert!(loads(br#"{"a1":0,"\u00611":0}"#, 1).is_err());
    assert!(loads(br#"{"12345678":0,"1234567\u0038":0}"#, 1).is_err());
}

#[test]
fn keys_do_not_depend_on_the_position_of_a_name() {
    for name in ["", "a", "\u{e9}", "1234567", "12345678", "123456789", "12345678901234567890"] {
        let text = format!("{name}\":0, and more behind it");
        assert_eq!(key(text.as_bytes(), 0..name.len()), key(name.as_bytes(), 0..name.len()));
    }
}

#[test]
fn finds_the_end_of_a_string_at_any_position() {
    for length in 0..80 {
        let plain = "\u{7f} !#[]\u{e9}".chars().cycle().take(length).collect::<String>();
        for (text, good) in [
            (format!("\"{plain}\""), true),
            (format!("\"{plain}\" x{plain:80}"), false),
            (format!("\"{plain}\u{1f}\""), false),
            (format!("\"{plain}\u{1}{plain}\""), false),
            (format!("\"{plain}\\n{plain}\""), true),
            (format!("\"{plain}\\"), false),
            (format!("\"{plain}"), false),
        ] {
            assert_eq!(loads(text.as_bytes(), 1000).is_ok(), good, "{text:?}");
        }
    }
}

#[test]
fn finds_members_and_elements() -> Result<(), JsonError> {
    let (text, nodes) = loads(br#"{"a":{"b":[1,{"c":2},[]],"\u0064":"e"},"f":true}"#, 64)?;
    let root = View::root(text, &nodes);
    let names = |view: View<'_, '_>| view.members().filter_map(|(name, _)| name.string()).collect::<Vec<_>>().join(" ");
    assert_eq!(names(root), "a f");
    let Some(inner) = root.get("a") else { panic!("no a") };
    assert_eq!(names(inner), "b d");
    assert_eq!(inner.get("d").and_then(View::string).as_deref(), Some("e"));
    assert_eq!(inner.get("b").map(|array| array.elements().count()), Some(3));
    assert!(root.get("b").is_none() && root.get("f").is_some_and(|value| value.get("a").is_none()));
    Ok(())
}
