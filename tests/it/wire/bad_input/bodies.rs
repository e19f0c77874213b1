//! Bodies that are no JSON, no object, cut off, doubled; characters and numbers that are none.

use serde_json::json;

use super::{JSON, Reaction, check_alive, check_refused, exchange, least_with, post, post_bytes, shown};
use crate::support::{Broken, Wire, World};

// ---- bodies that are not what they should be

#[test]
fn what_is_not_json_is_refused() {
    for body in ["hello", "action=filter", "<tags/>", "{'a':1}", "{action:\"filter\"}", "{}\u{feff}", "{}{}", "\u{0}"] {
        check_refused(body.as_bytes());
    }
    check_refused(b"{\"action\":\"filter\",}");
    check_refused(b"// a comment\n{}");
    check_refused(b"\x1f\x8b\x08\x00\x00\x00\x00\x00");
}

#[test]
fn what_is_json_but_no_object_is_refused() {
    for body in ["[]", "[{}]", "\"{}\"", "null", "true", "0", "-1.5e3", " ", "\n\n", ""] {
        check_refused(body.as_bytes());
    }
}

#[test]
fn a_body_cut_off_anywhere_is_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        let body = least_with(wire, r#""tags":[{"key":"ключ","values":["a\u00e9"]}],"limit":"5""#);
        assert_eq!(post_bytes(&world, wire, body.as_bytes()).status, 200, "{body}");
        for end in 0..body.len() {
            let answer = post_bytes(&world, wire, &body.as_bytes()[..end]);
            wire.check_refusal(&answer, Broken::General, &[], &body[..body.floor_char_boundary(end)]);
        }
    }
    check_alive(&world);
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        for twice in [
            r#""limit":1,"limit":1"#,
            r#""tags":[{"key":"a","values":[]}],"tags":[{"key":"a","values":[]}]"#,
            r#""tags":null,"t\u0061gs":null"#,
            r#""tags":[{"key":"a","key":"a","values":[]}]"#,
            r#""tags":[{"key":"a","values":[],"values":[]}]"#,
            r#""without_any_tag":true,"without_any_tag":false"#,
        ] {
            let body = least_with(wire, twice);
            wire.check_refusal(&post_bytes(&world, wire, body.as_bytes()), Broken::General, &[], &body);
        }
    }
    let body = r#"{"action":"count","action":"filter"}"#;
    Wire::Ims.check_refusal(&post_bytes(&world, Wire::Ims, body.as_bytes()), Broken::General, &["\"action\""], body);
}

// ---- characters

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    let world = World::empty();
    for bad in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80"] {
        for wire in Wire::ALL {
            for (before, after) in [
                (&br#""tags":[{"key":""#[..], &br#"","values":[]}]"#[..]),
                (br#""tags":[{"key":"a","values":[""#, br#""]}]"#),
                (br#""limit":""#, br#"""#),
                (br#"""#, br#"":1"#),
                (b"", b""),
            ] {
                let least = least_with(wire, "\u{1}").into_bytes();
                let at = least.iter().position(|byte| *byte == 1).unwrap();
                let body = [&least[..at], before, bad, after, &least[at + 1..]].concat();
                wire.check_refusal(&post_bytes(&world, wire, &body), Broken::General, &[], &shown(&body));
            }
        }
    }
    check_alive(&world);
}

#[test]
fn a_path_that_is_no_utf8_leads_nowhere() {
    let world = World::empty();
    for wire in [Wire::Ims, Wire::Dns, Wire::Cts] {
        for bad in ["%ff", "%FF%FE", "a%80", "%c3", "%ed%a0%80"] {
            let path = wire.path().replace("/p/", &format!("/{bad}/"));
            let answer = exchange(&world, &post(path.as_bytes(), JSON, b"{}")).answer();
            assert_eq!((answer.status, &answer.json()["error_code"]), (404, &json!("APIGW.0101")), "{path}");
        }
        // bytes as they are: no valid request at all
        let path = [&wire.path().as_bytes()[..4], &b"\xff\xfe"[..], &wire.path().as_bytes()[5..]].concat();
        if let Reaction::Answered(answer) = exchange(&world, &post(&path, JSON, b"{}")) {
            assert!((400..500).contains(&answer.status), "{}: {}", shown(&path), answer.status);
        }
    }
    for bad in ["/v2/p/%ff/resource_instances/action", "/v3/p/%ff/resource-instances/count", "/%ff", "/%"] {
        let answer = exchange(&world, &post(bad.as_bytes(), JSON, b"{}")).answer();
        assert_eq!(answer.status, 404, "{bad}");
    }
    check_alive(&world);
}

#[test]
fn escapes_in_a_path_are_read_once() {
    let world = World::empty();
    for (project, body) in [
        ("%70", "p"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("%E6%97%A5", "日"),
        ("..", ".."),
        ("%2e%2e", ".."),
        ("%", "%"),
        ("%zz", "%zz"),
        ("a%00b", "a\u{0}b"),
    ] {
        let answer =
            exchange(&world, &post(Wire::Cts.path().replace("/p/", &format!("/{project}/")).as_bytes(), JSON, b"{}"));
        assert_eq!(answer.answer().status, 200, "{project} for {body:?}");
    }
}

#[test]
fn nul_finds_nothing_and_harms_nothing() {
    let world = World::with(&Wire::ALL.map(|wire| wire.resource("r", "name", &[("a", "b")])));
    for wire in [Wire::Ims, Wire::Dns, Wire::Cts] {
        let nul = "a\u{0}b";
        let none = (Vec::<String>::new(), 0);
        for list in ["tags", "tags_any"] {
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": nul, "values": [] }] })), none);
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": "a", "values": [nul] }] })), none);
            assert_eq!(wire.page(&world, &json!({ list: [{ "key": "a", "values": ["*\u{0}"] }] })), none);
            // and hides nothing that stands beside it
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": "a", "values": [nul, "b"] }] })), ["r"]);
        }
        for list in ["not_tags", "not_tags_any"] {
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": nul, "values": [] }] })), ["r"]);
            assert_eq!(wire.ids(&world, &json!({ list: [{ "key": "a", "values": [nul] }] })), ["r"]);
        }
        let name = json!({ "matches": [{ "key": "resource_name", "value": nul }] });
        assert_eq!(wire.page(&world, &name), none);
        for path in [wire.path().replace("/p/", "/%00/"), wire.path().replace("/p/", "/p%00/")] {
            let answer = exchange(&world, &post(path.as_bytes(), JSON, wire.body(&json!({})).to_string().as_bytes()));
            let answer = answer.answer();
            assert_eq!((answer.status, &answer.json()["total_count"]), (200, &json!(0)), "{path}");
        }
    }
    let id = json!({ "matches": [{ "key": "resource_id", "value": "r\u{0}" }] });
    assert_eq!(Wire::Ims.page(&world, &id), (Vec::new(), 0));
    let system = json!({ "sys_tags": [{ "key": "_sys_\u{0}", "values": ["\u{0}", "*\u{0}"] }] });
    assert_eq!(Wire::Cts.page(&world, &system), (Vec::new(), 0));
    for (wire, path) in [
        (Wire::Dns, "/v2/p/DNS-public_zone%00/resource_instances/action"),
        (Wire::Cts, "/v3/p/cts-tracker%00/resource-instances/filter"),
    ] {
        let answer = exchange(&world, &post(path.as_bytes(), JSON, b"{}")).answer();
        wire.check_refusal(&answer, Broken::Type, &["\\0"], path);
    }
    let body = json!({ "project_id": "p\u{0}", "resource_types": ["ecs"] });
    assert_eq!(world.post(Wire::Tms.path(), &body.to_string()).json()["total_count"], 0);
    Wire::Tms.refuse(&world, &json!({ "resource_types": ["\u{0}"] }), Broken::Type, &[]);
    Wire::Tms.refuse(&world, &json!({ "tags": [{ "key": "\u{0}", "values": [] }] }), Broken::Key, &[]);
    Wire::Tms.refuse(&world, &json!({ "tags": [{ "key": "a", "values": ["\u{0}"] }] }), Broken::Value, &[]);
    for wire in Wire::ALL {
        assert_eq!(wire.ids(&world, &json!({})), ["r"]);
    }
}

#[test]
fn half_a_surrogate_pair_is_refused_where_it_is_read() {
    let world = World::empty();
    for wire in Wire::ALL {
        for lone in ["\\ud835", "\\udcb3", "\\ud835x", "\\ud835\\ud835", "\\ud835\\u0041"] {
            for more in [
                format!(r#""tags":[{{"key":"{lone}","values":[]}}]"#),
                format!(r#""tags":[{{"key":"a","values":["{lone}"]}}]"#),
                format!(r#""{lone}":1"#),
            ] {
                let answer = post_bytes(&world, wire, least_with(wire, &more).as_bytes());
                wire.check_refusal(&answer, Broken::General, &[], &more);
            }
            let answer = post_bytes(&world, wire, least_with(wire, &format!(r#""limit":"{lone}""#)).as_bytes());
            assert_eq!(answer.status, 400, "{wire:?} {lone}: {}", answer.body);
            wire.error(&answer);
        }
    }
    check_alive(&world);
}

// ---- numbers

#[test]
fn numbers_that_are_no_whole_number_within_the_range_are_refused() {
    let world = World::empty();
    for wire in Wire::ALL {
        for number in ["1e3", "1E0", "-1", "-0", "1.5", "1.0", "1e999", "-1e999", "0.1e1", "99999999999999999999"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{number}")).as_bytes());
            wire.check_refusal(&answer, Broken::Limit, &["limit: ", number], number);
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"offset\":{number}")).as_bytes());
            if number == "99999999999999999999" && wire != Wire::Dns {
                assert_eq!(answer.status, 200, "{wire:?}: {}", answer.body);
            } else {
                wire.check_refusal(&answer, Broken::Offset, &["offset: ", number], number);
            }
        }
        for no_json in ["01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "1_000", "--1"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{no_json}")).as_bytes());
            wire.check_refusal(&answer, Broken::General, &["line 1, column"], no_json);
        }
        for wrong in ["true", "[1]", "{}", "[]"] {
            let answer = post_bytes(&world, wire, least_with(wire, &format!("\"limit\":{wrong}")).as_bytes());
            wire.check_refusal(&answer, Broken::Limit, &["limit: "], wrong);
        }
    }
}
